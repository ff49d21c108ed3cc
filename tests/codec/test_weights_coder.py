"""Ranks come back, and what the contexts know makes them cheaper: pictures, dead rows, columns, signs, levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.codec.bit_coder import finish, reader, writer, written_bits
from mdlray.codec.geometry import Geometry
from mdlray.codec.weights_coder import code_ranks
from mdlray.codec.weights_model import Alphabet, Model, copied_model, fresh_model

NO_UNITS = np.zeros(0, np.int64)
FLAT = Geometry(1, 1)
GEOMETRIES = [((4, 60), FLAT), ((5, 60), Geometry(60, 10)), ((3, 60), Geometry(12, 4)), ((6, 60), Geometry(60, 60)),
              ((7, 60), Geometry(60, 1)), ((1, 1), FLAT), ((40, 1), FLAT), ((1, 40), Geometry(40, 8))]  # fmt: skip


def bits(
    ranks_RC: np.ndarray, geometry: Geometry = FLAT, activity_A: np.ndarray = NO_UNITS, model: Model | None = None
) -> float:
    """What they cost, with an alphabet just large enough."""
    ranks_RC = ranks_RC.astype(np.int16)
    alphabet = Alphabet(max(0, -int(ranks_RC.min())), max(0, int(ranks_RC.max())))
    has_zeros = bool((ranks_RC == 0).any())
    coder = code_ranks(writer(0), ranks_RC, geometry, activity_A, alphabet, has_zeros, model or fresh_model())
    return written_bits(coder)


def entropy_bits(ranks_RC: np.ndarray) -> float:
    share = np.unique(ranks_RC, return_counts=True)[1] / ranks_RC.size
    return float(-ranks_RC.size * (share * np.log2(share)).sum())


def patches(rows: int, side: int) -> np.ndarray:
    """Smooth pictures, one per row, standard deviation 1 everywhere."""
    field = np.random.default_rng(0).standard_normal((rows, side + 2, side + 2))
    return sum(field[:, i : i + side, j : j + side] for i in range(3) for j in range(3)).reshape(rows, -1) / 3


def shuffled_columns(ranks_RC: np.ndarray) -> np.ndarray:
    return np.random.default_rng(9).permutation(ranks_RC, axis=1)


@settings(max_examples=150)
@given(
    st.sampled_from(GEOMETRIES),
    st.tuples(st.integers(0, 300), st.integers(0, 300)).filter(any),
    st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_ranks_come_back(
    kind: tuple[tuple[int, int], Geometry], most: tuple[int, int], density: float, known_units: bool, seed: int
) -> None:
    (rows, columns), geometry = kind
    rng = np.random.default_rng(seed)
    alphabet = Alphabet(*most)
    ranks_RC = rng.permutation(np.r_[np.arange(-most[0], 0), np.arange(1, most[1] + 1)])[
        rng.integers(0, sum(most), (rows, columns))
    ] * (rng.random((rows, columns)) < density)
    ranks_RC = ranks_RC.astype(np.int16)
    activity_A = rng.integers(0, 16, max(1, columns // 4)) if known_units else NO_UNITS
    has_zeros = bool((ranks_RC == 0).any())
    writing, reading = fresh_model(), fresh_model()
    stream = finish(code_ranks(writer(0), ranks_RC, geometry, activity_A, alphabet, has_zeros, writing))
    back_RC = np.zeros_like(ranks_RC)
    code_ranks(reader(stream), back_RC, geometry, activity_A, alphabet, has_zeros, reading)
    assert np.array_equal(back_RC, ranks_RC)
    for a, b in zip(writing, reading, strict=True):
        assert np.array_equal(a.cells, b.cells) and np.array_equal(a.v, b.v) and np.array_equal(a.w, b.w)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.8])
def test_independent_weights_cost_about_their_entropy(density: float) -> None:
    rng = np.random.default_rng(1)
    ranks_RC = rng.choice([-2, -1, 1, 2, 3], (60, 400)) * (rng.random((60, 400)) < density)
    assert bits(ranks_RC) < 1.03 * entropy_bits(ranks_RC) + 100


def test_pictures_cost_less_than_the_same_columns_shuffled() -> None:
    ranks_RC = (patches(60, 20) > 1.3).astype(np.int16)
    picture = Geometry(400, 20)
    assert bits(ranks_RC, picture) < 0.8 * bits(shuffled_columns(ranks_RC), picture)
    assert bits(ranks_RC, picture) < 0.92 * bits(ranks_RC)


def test_signs_and_levels_that_go_on_in_a_picture_cost_less() -> None:
    smooth, picture = patches(60, 20), Geometry(400, 20)
    signs = np.where(smooth > 0, 1, -1)
    assert bits(signs, picture) < 0.8 * bits(shuffled_columns(signs), picture)
    levels = np.clip(np.rint(2 * smooth), -7, 7).astype(np.int16)
    levels[levels == 0] = 1
    assert bits(levels, picture) < 0.85 * bits(shuffled_columns(levels), picture)


def test_columns_that_are_denser_than_others_pay() -> None:
    rng = np.random.default_rng(2)
    density_C = np.where(np.arange(300) % 7 == 0, 0.5, 0.02)
    ranks_RC = (rng.random((80, 300)) < density_C).astype(np.int16)
    assert bits(ranks_RC) < 0.8 * entropy_bits(ranks_RC)


def test_dead_rows_cost_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    live_RC = (rng.random((30, 200)) < 0.1).astype(np.int16)
    live_RC[:, 0] = 1
    with_dead = np.zeros((530, 200), np.int16)
    with_dead[:30] = live_RC
    assert bits(with_dead) - bits(live_RC) < 500 * 0.12
    assert bits(np.zeros((1000, 100), np.int16)) < 80


def test_columns_of_dead_units_cost_little() -> None:
    rng = np.random.default_rng(4)
    activity_A = np.where(rng.random(100) < 0.5, 0, 6)
    ranks_RC = (rng.random((10, 100)) < 0.3 * (activity_A > 0)).astype(np.int16)
    assert bits(ranks_RC, activity_A=activity_A) < 0.9 * bits(ranks_RC)


def test_the_last_weight_of_a_row_that_is_not_empty_is_known() -> None:
    """One column: whether the row is empty says all."""
    column = np.random.default_rng(5).integers(0, 2, (2000, 1))
    model = fresh_model()
    bits(column, model=model)
    assert int(model.zero.spent[0]) == 0 < int(model.empty.spent[0])


def test_what_a_model_has_learned_serves_the_next_tensor_and_a_copy_leaves_it_alone() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.choice(8, (2, 20, 100), p=[0.7, 0.2, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01])
    model = fresh_model()
    bits(first, model=model)
    spent = model.mask_bits() + model.values_bits()
    assert bits(second, model=copied_model(model)) < bits(second)
    assert model.mask_bits() + model.values_bits() == spent


def test_mask_and_values_are_all_that_is_coded() -> None:
    rng, model = np.random.default_rng(7), fresh_model()
    written = bits(rng.integers(-3, 4, (40, 100)), model=model)
    assert model.mask_bits() + model.values_bits() == pytest.approx(written, rel=0.01)
    assert model.mask_bits() == pytest.approx(4000 * 0.592, rel=0.1)
