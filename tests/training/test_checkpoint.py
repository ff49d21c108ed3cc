"""A pack that was interrupted anywhere ends as if it had not been; bytes that do not fit are refused by name."""

import functools
import io
import logging
from dataclasses import replace

import pytest
import torch

from mdlray.planning import Halving, Pack
from mdlray.planning.definitions import Definitions
from mdlray.results.pack_result import PackResult
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training.checkpoint import FORMAT, from_bytes, to_bytes
from mdlray.worker.run_pack import WorkerConfig, run_pack

ABOUT = {"pack": "abc", "spec version": 1, "torch": "2.11"}
SITE = WorkerConfig(halving=Halving(), checkpoint_seconds=0.0)


def pack(optimizer: str = "sgd") -> Pack:
    """With dropout, both saliencies, two codebooks of one training, several orders and random labels."""
    base = {
        "data.dataset": "mnist5k",
        "model.hidden_units": (12,),
        "training.num_epochs": 8,
        "training.batch_size": 128,
        "training.optimizer": optimizer,
        "training.learning_rate": 0.05 if optimizer == "sgd" else 1e-3,
        "compression.first_pruning_epoch": 1,
        "compression.last_pruning_epoch": 7,
        "compression.num_pruning_steps": 6,
        "compression.centroid_epochs": 1,
    }
    kinds = [
        {"compression.method": "obd", "compression.pruning_ratio": 0.9, "training.dropout": 0.1},
        {"compression.method": "obd", "compression.pruning_ratio": 0.9, "compression.quantization_levels": 4},
        {"compression.method": "obd", "compression.pruning_ratio": 0.9},
        {"compression.method": "magnitude", "compression.pruning_ratio": 0.9, "seeds.data_order": 4},
        {"data.label_randomization_fraction": 1.0},
        {"training.dropout": 0.3},
    ]
    return Pack("toy", tuple(replace_fields(TrialSpec(), base | kind) for kind in kinds))


def without_times(result: PackResult) -> PackResult:
    rows = [{k: v for k, v in row.items() if k != "wall_seconds"} for row in result.rows]
    return replace(result, tables=result.tables | {"trials": rows})


@functools.cache
def whole(optimizer: str = "sgd") -> tuple[PackResult, list[bytes]]:
    """A pack that nobody interrupts, and its checkpoints after each epoch."""
    blobs: list[bytes] = []
    return without_times(run_pack(pack(optimizer), SITE, save=blobs.append)), blobs


@pytest.mark.parametrize(("optimizer", "epochs"), [("sgd", 1), ("sgd", 2), ("sgd", 8), ("adam", 5)])
def test_from_any_checkpoint_the_rest_is_the_same_to_the_bit(optimizer: str, epochs: int) -> None:
    undisturbed, blobs = whole(optimizer)
    assert {row["status"] for row in undisturbed.rows} == {"ok", "stopped"} and len(blobs) == 8
    later: list[bytes] = []
    again = run_pack(pack(optimizer), SITE, checkpoint=blobs[epochs - 1], save=later.append)
    assert without_times(again) == undisturbed and again.notes == []
    assert len(later) == 8 - epochs


def test_histograms_from_before_the_interruption_are_kept() -> None:
    """The last pruning is in epoch 7: what is known of it after epoch 8 comes from the checkpoint alone."""
    undisturbed, blobs = whole()
    again = run_pack(pack(), SITE, checkpoint=blobs[-1])
    before = [row for row in again.tables["weights"] if row["moment"] == "before_last_pruning"]
    assert before and {row["epoch"] for row in before} == {7.0}
    assert again.tables["weights"] == undisturbed.tables["weights"]


def test_a_checkpoint_of_an_older_state_is_refused() -> None:
    checkpoint = torch.load(io.BytesIO(whole()[1][-1]), weights_only=True)
    assert checkpoint["format"] == FORMAT
    stream = io.BytesIO()
    torch.save(checkpoint | {"format": "mdlray pack 3"}, stream)
    for older in (stream.getvalue(), b"mdlray-pack-3\n" + bytes(1000)):
        result = run_pack(pack(), SITE, checkpoint=older)
        assert "no checkpoint of a pack" in result.notes[0]
        assert without_times(replace(result, notes=[])) == whole()[0]


def test_nothing_is_saved_before_it_is_time() -> None:
    blobs: list[bytes] = []
    result = run_pack(pack(), replace(SITE, checkpoint_seconds=600.0), save=blobs.append)
    assert blobs == [] and without_times(result) == whole()[0]


@pytest.mark.parametrize("what", ["damaged", "cut", "foreign", "other pack", "other halving", "other definitions"])
def test_a_checkpoint_that_does_not_fit_is_refused_and_the_pack_starts_anew(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed, blobs = whole()
    blob, site, mine = blobs[3], SITE, pack()
    if what == "damaged":
        blob = blob[:5000] + bytes([blob[5000] ^ 1]) + blob[5001:]
    elif what == "cut":
        blob = blob[:-100]
    elif what == "foreign":
        blob = b"mdlray-pack-1\n" + blob[:1000]
    elif what == "other pack":
        mine = Pack("toy", pack().members[:5])
    elif what == "other halving":
        site = replace(SITE, halving=Halving(keep=0.6))
    else:
        site = replace(SITE, definitions=Definitions("/nowhere/x.py", b"x = 1"))
    with caplog.at_level(logging.WARNING):
        result = run_pack(mine, site, checkpoint=blob)
    words = {"damaged": "it is damaged", "cut": "it is damaged", "foreign": "no checkpoint of a pack"}
    reason = words.get(what, f"it was written for {what.removeprefix('other ')} ")
    assert len(result.notes) == 1 and reason in result.notes[0] and reason in caplog.text
    assert {row["status"] for row in result.rows} <= {"ok", "stopped"}
    if what in words:
        assert without_times(replace(result, notes=[])) == undisturbed


def test_the_content_comes_back_and_another_name_is_explained() -> None:
    content = {"t": torch.arange(3), "b": b"\x00\xff", "n": [1, None, 2.5, True, {"x": "y"}]}
    blob = to_bytes(ABOUT, content)
    back = from_bytes(blob, ABOUT)
    assert torch.equal(back.pop("t"), content.pop("t")) and back == content
    for name, other in (("torch", "2.12"), ("spec version", 2)):
        with pytest.raises(ValueError, match=f"it was written for {name} .*, here it is {other!r}"):
            from_bytes(blob, ABOUT | {name: other})
    with pytest.raises(ValueError, match="here it is 'new'"):
        from_bytes(blob, ABOUT | {"more": "new"})


def test_every_flipped_byte_is_refused_or_changes_nothing_and_every_shorter_length_is_refused() -> None:
    """Some bytes of a zip archive say nothing (padding, times): those may change, what is read may not."""
    content = {"t": torch.arange(300), "n": [1, 2.5, "x"]}
    blob, num_refused = to_bytes(ABOUT, content), 0
    for place in range(len(blob)):
        try:
            back = from_bytes(blob[:place] + bytes([blob[place] ^ 255]) + blob[place + 1 :], ABOUT)
        except ValueError as error:
            num_refused += "it is damaged" in str(error)
        else:
            assert torch.equal(back["t"], content["t"]) and back["n"] == content["n"], place
    assert num_refused > 2400 + 100  # every byte of the tensor, at least
    for length in (*range(0, len(blob), 97), len(blob) - 1):
        with pytest.raises(ValueError, match="it is damaged"):
            from_bytes(blob[:length], ABOUT)


def test_nothing_but_plain_values_is_unpickled() -> None:
    with pytest.raises(ValueError, match="no checkpoint of a pack .UnpicklingError"):
        from_bytes(to_bytes(ABOUT, {"site": SITE}), ABOUT)
