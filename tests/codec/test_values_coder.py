"""Symbols of the non-zero weights come back; signs that follow their neighbors cost less."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec.mask_coder import Steps
from mdlray.codec.range_coder import Decoder, Encoder
from mdlray.codec.values_coder import code_values

CODEBOOK = np.array([-1.0, -0.5, 0.5, 1.0, 2.0], np.float16)


def coded(symbols_F: np.ndarray, steps: Steps, codebook: np.ndarray) -> bytes:
    encoder = Encoder()
    mask_F = (symbols_F != 0).astype(np.uint8)
    code_values(encoder, steps, 0, mask_F, codebook, symbols_F[mask_F != 0])
    return encoder.finish()


@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 5), st.integers(0, 1000))
def test_any_symbols_come_back(rows: int, columns: int, levels: int, seed: int) -> None:
    steps, codebook = Steps(rows, columns), CODEBOOK[:levels]
    symbols_F = np.random.default_rng(seed).integers(0, levels + 1, rows * columns)
    mask_F = (symbols_F != 0).astype(np.uint8)
    decoder = Decoder(coded(symbols_F, steps, codebook))
    assert np.array_equal(code_values(decoder, steps, 0, mask_F, codebook, None), symbols_F[mask_F != 0])


def test_signs_of_neighbors_are_learned() -> None:
    generator, steps = np.random.default_rng(0), Steps(50, 200)
    sign_R = generator.random(50) < 0.5  # each output keeps its sign over all its inputs
    clustered_F = np.where(sign_R, 3, 2)[None, :].repeat(200, 0).ravel()
    random_F = np.where(generator.random(10_000) < 0.5, 3, 2)
    assert len(coded(clustered_F, steps, CODEBOOK)) < 0.5 * len(coded(random_F, steps, CODEBOOK))
