"""Names that nobody knows and choices that do not go together are explained before anything runs."""

from pathlib import Path

import pytest

from mdlray.data import BaseImages
from mdlray.data.sources import BASES
from mdlray.driver.checks import check_names, fetch_data
from mdlray.planning import expand
from mdlray.planning.sweep_file import find_sweep, load_sweep
from mdlray.spec import TrialSpec, replace_fields

SHORT = {"data.dataset": "mnist5k", "model.hidden_units": (20,)}


def spec(**changes: object) -> TrialSpec:
    return replace_fields(TrialSpec(), SHORT | {key.replace("__", "."): value for key, value in changes.items()})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compression__quantization_grid": "log"}, "quantization_grid is 'log'; known are: kmeans, uniform"),
        ({"compression__levels_per_layer": (4, 4, 4)}, "dense-20 has 2 weight tensors"),
        ({"data__dataset": "imagenet"}, "imagenet.*mnist5k"),
        ({"compression__method": "magic"}, "known are: magnitude, none, obd"),
        ({"training__optimizer": "lion"}, "known are: adam, sgd"),
        ({"model__family": "cnn"}, "known are: convnet, dense, hashed, lenet5"),
        ({"model__bucket_fraction": 0.1}, "bucket_fraction is 0.1 and has no effect in family 'dense'"),
        ({"model__family": "convnet", "model__kernel_size": 29}, "convnet has sizes .* a kernel and maxima that fit"),
        ({"model__family": "convnet", "model__hidden_units": (8, 8)}, "convnet needs one number of channels"),
        ({"model__family": "hashed", "model__hidden_units": (6000,)}, "lower bucket_fraction or hidden_units"),
        ({"model__family": "hashed", "compression__remove_dead_units": True}, "family is 'hashed'; dead units can be"),
    ],
)
def test_names_are_checked_before_anything_runs(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){words}"):
        check_names([spec(**changes)])


@pytest.mark.parametrize("name", ["hashednet_vs_conv", "shrink_students"])
def test_what_the_sweeps_ask_is_possible(name: str) -> None:
    sweep = load_sweep(find_sweep(name))
    assert sweep.quick is not None
    for chosen in (sweep, sweep.quick):
        check_names(expand(chosen))


def fails(root: Path) -> BaseImages:
    raise KeyError("label")


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (fails, "the reader of data set 'own' failed: KeyError: 'label'"),
        (lambda root: [], "the reader of data set 'own' returned a list, it must return a mdlray.data.BaseImages"),
    ],
)
def test_somebody_elses_reader_that_fails_is_named(reader, words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASES, "own", reader)
    with pytest.raises(ValueError, match=words):
        fetch_data([spec(data__dataset="own")], Path("data"))
