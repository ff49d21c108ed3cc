"""float16 numbers come back bit for bit, and few mantissa bits or an ascending order cost less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mdlray.codec.bit_coder import finish, reader, writer, written_bits
from mdlray.codec.float_coder import FloatModel, code_codebook, code_floats, fresh_float_model

NO_UNITS = np.zeros(0, np.int64)


def written(lists: list[np.ndarray], codebook: bool, activity_V: np.ndarray = NO_UNITS) -> tuple[bytes, FloatModel]:
    coder, model = writer(0), fresh_float_model()
    for values in lists:
        if codebook:
            coder, back = code_codebook(coder, model, len(values), values)
        else:
            coder, back = code_floats(coder, model, len(values), activity_V, values)
        assert back.tobytes() == values.tobytes()
    return finish(coder), model


def size(values: np.ndarray, codebook: bool, activity_V: np.ndarray = NO_UNITS) -> int:
    return len(written([values], codebook, activity_V)[0])


@given(st.lists(arrays.arrays(np.uint16, st.integers(0, 40)), max_size=3), st.booleans(), st.booleans())
def test_any_bit_patterns_come_back(patterns: list[np.ndarray], codebook: bool, ascending: bool) -> None:
    lists = [np.sort(p.view(np.float16)) if ascending else p.view(np.float16) for p in patterns]
    stream, model = written(lists, codebook)
    coder, reading = reader(stream), fresh_float_model()
    for values in lists:
        if codebook:
            coder, back = code_codebook(coder, reading, len(values), None)
        else:
            coder, back = code_floats(coder, reading, len(values), NO_UNITS, None)
        assert back.tobytes() == values.tobytes()
    assert all(np.array_equal(a.cells, b.cells) for a, b in zip(model, reading, strict=True))


@given(arrays.arrays(np.uint16, 12), arrays.arrays(np.int64, 12, elements=st.integers(0, 15)))
def test_numbers_come_back_beside_the_activity_of_their_units(patterns: np.ndarray, activity_V: np.ndarray) -> None:
    stream, _ = written([patterns.view(np.float16)], False, activity_V)
    _, back = code_floats(reader(stream), fresh_float_model(), 12, activity_V, None)
    assert np.array_equal(back.view(np.uint16), patterns)


@pytest.mark.parametrize("codebook", [False, True])
def test_rounded_numbers_cost_less(codebook: bool) -> None:
    values = np.sort(np.random.default_rng(0).normal(size=100)).astype(np.float16)
    rounded = (values.view(np.uint16) & 0xFFC0).view(np.float16)
    assert size(rounded, codebook) < 0.75 * size(values, codebook)


def test_an_ascending_codebook_costs_less_than_a_shuffled_one() -> None:
    values = np.sort(np.random.default_rng(1).normal(size=32)).astype(np.float16)
    assert size(values, True) < size(np.random.default_rng(2).permutation(values), True)


def test_zeros_of_dead_units_cost_little() -> None:
    rng = np.random.default_rng(3)
    dead = rng.random(200) < 0.5
    values = np.where(dead, 0, rng.normal(size=200)).astype(np.float16)
    known = size(values, False, np.where(dead, 0, 5))
    assert known < size(values, False) - 15


def test_many_equal_numbers_cost_next_to_nothing() -> None:
    assert size(np.zeros(1000, np.float16), False) <= 10
    assert size(np.full(1000, 0.5, np.float16), False) <= 40


def test_what_the_first_tensor_taught_serves_the_next() -> None:
    values = (np.random.default_rng(4).normal(size=(2, 40)) * 0.01).astype(np.float16)
    coder, model = writer(0), fresh_float_model()
    ends = [0.0]
    for row in values:
        coder, _ = code_floats(coder, model, 40, NO_UNITS, row)
        ends.append(written_bits(coder))
    alone, coder = fresh_float_model(), writer(0)
    coder, _ = code_floats(coder, alone, 40, NO_UNITS, values[1])
    assert ends[2] - ends[1] < written_bits(coder)
