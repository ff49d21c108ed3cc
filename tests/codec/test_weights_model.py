"""What the model begins with agrees with itself, and its kernels with what the format's text says of them."""

import numpy as np
import pytest

from mdlray.codec import weights_model as known
from mdlray.codec.weights_model import copied_model, fresh_model, fresh_tally


@pytest.mark.parametrize("name, num_given", [("ZERO", 3), ("SIGN", 1), ("LEVEL", 0)])
def test_each_input_has_its_own_cells_after_those_that_are_given(name: str, num_given: int) -> None:
    starts, places = getattr(known, f"{name}_STARTS"), getattr(known, f"{name}_PLACES")
    assert len(places) == len(starts) + 1 and places[: num_given + 1] == (0,) * (num_given + 1)
    assert (np.diff(places[num_given:]) > 0).all()
    assert len(getattr(fresh_model(), name.lower()).cells) == places[-1]


def test_kernels_are_those_of_the_text() -> None:
    """Section 5: 614 // (2 + d2) up to d2 = 17, 3600 // (1 + 2 d2) up to d2 = 10, and their sums."""
    places = [(y, x) for y in range(-4, 5) for x in range(-4, 5)]
    column = {(y, x): 614 // (2 + y * y + x * x) if y * y + x * x <= 17 else 0 for y, x in places}
    assert all(known.KERNEL[y + 4, x + 4] == weight for (y, x), weight in column.items())
    assert known.KERNEL_SUM == sum(column.values()) == 4423
    row = {(y, x): 3600 // (1 + 2 * (y * y + x * x)) for y, x in places if y * y + x * x <= 10}
    assert all(known.ROW_KERNEL[y + 3, x + 3] == weight for (y, x), weight in row.items())
    assert known.ROW_KERNEL_SUM == sum(weight for place, weight in row.items() if place < (0, 0)) == 7432


def test_a_copied_model_learns_by_itself() -> None:
    model = fresh_model()
    copy = copied_model(model)
    copy.zero.cells[5, 0] = copy.sign.v[0, 0] = copy.level.spent[0] = 7
    assert model.zero.cells[5, 0] == 0 and model.sign.v[0, 0] != 7 and model.level.spent[0] == 0


def test_columns_are_counted_separately() -> None:
    tally = fresh_tally(4)
    for number, counts in enumerate(tally[:-1], start=1):
        counts += number
    assert [counts.tolist() for counts in tally[:-1]] == [[number] * 4 for number in range(1, 7)]
    assert tally.totals.tolist() == [0, 0, 0, 0, 2]
