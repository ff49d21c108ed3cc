"""Counts of what has been coded so far -> integer frequencies for what comes next.

Adaptive coding of a sequence over A letters: letter a has frequency about 2^24 · w_a / sum of w, with the weight
w_a = prior_a + c · n_a, where n_a counts a among the symbols before. Sent in blocks, a quarter longer each time:
counts stand still within a block, so that one call of the coder does it.

With a flat prior of 1 and c = 2 this is the estimator of Krichevsky and Trofimov (1981).

N: symbols, A: alphabet.
"""

import numpy as np

from mdlray.codec.range_coder import TOTAL, Coder, Ints

FIRST_BLOCK = 8


def frequencies(weight_A: Ints) -> Ints:
    """Integers >= 1 with the sum 2^24, as near as floor allows to the proportions of weight_A (sum below 2^36)."""
    spare = TOTAL - len(weight_A)
    cumulative_A = np.cumsum(weight_A)
    edges_A = spare * cumulative_A // max(int(cumulative_A[-1]), 1)
    return np.diff(edges_A, prepend=0) + 1


def code_adaptively(coder: Coder, weight_A: Ints, step: int, num_symbols: int, known_N: Ints | None) -> Ints:
    """Symbols below A, adaptively; weight_A is the prior and is updated in place (+ `step` for each symbol)."""
    symbols_N = np.zeros(num_symbols, np.int64)
    start = 0
    while start < num_symbols:
        stop = min(start + max(FIRST_BLOCK, start // 4), num_symbols)
        known = None if known_N is None else known_N[start:stop]
        symbols_N[start:stop] = coder.symbols(frequencies(weight_A), stop - start, known)
        weight_A += step * np.bincount(symbols_N[start:stop], minlength=len(weight_A))
        start = stop
    return symbols_N
