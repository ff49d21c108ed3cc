"""Masks come back, and structure makes them cheaper than their order-0 entropy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec.mask_coder import Steps, best_stride, code_mask
from mdlray.codec.range_coder import Decoder, Encoder


def coded(mask_F: np.ndarray, steps: Steps) -> bytes:
    encoder = Encoder()
    code_mask(encoder, steps, mask_F)
    return encoder.finish()


def entropy_bytes(mask_F: np.ndarray) -> float:
    share = mask_F.mean()
    return -len(mask_F) * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8


@given(st.integers(1, 30), st.integers(1, 90), st.floats(0, 1), st.integers(0, 1000))
def test_any_mask_comes_back(rows: int, columns: int, density: float, seed: int) -> None:
    steps = Steps(rows, columns)
    mask_F = (np.random.default_rng(seed).random(rows * columns) < density).astype(np.uint8)
    back_F, _ = code_mask(Decoder(coded(mask_F, steps)), steps, None)
    assert np.array_equal(back_F, mask_F)


def test_a_picture_is_recognized_and_pays() -> None:
    """Weights cluster in the middle of a 28 x 28 picture: the stride is found, and the mask beats its entropy."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28] - 13.5
    density_P = 0.3 * np.exp(-(y**2 + x**2) / 40).ravel()
    mask_F = (generator.random((784, 60)) < density_P[:, None]).astype(np.uint8).ravel()
    steps = Steps(60, 784)
    assert best_stride(mask_F, steps) % 28 == 0
    assert len(coded(mask_F, steps)) < 0.85 * entropy_bytes(mask_F)


def test_an_independent_mask_costs_about_its_entropy() -> None:
    mask_F = (np.random.default_rng(1).random(100 * 784) < 0.05).astype(np.uint8)
    assert len(coded(mask_F, Steps(100, 784))) < 1.02 * entropy_bytes(mask_F) + 10
