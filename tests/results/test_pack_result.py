"""Results of pieces add up to the pack's."""

from dataclasses import fields

from mdlray.planning import Pack
from mdlray.results.conversion import to_table
from mdlray.results.pack_result import PackResult, Steps, failed_pack, from_plain, join, model_file, of_pack, to_plain
from mdlray.results.schema import TRIALS
from mdlray.spec import TrialSpec


def piece(number: int) -> PackResult:
    rows = [{"trial_id": f"t{number}"}]
    files, checksums = {model_file(f"t{number}"): b"MDL"}, {"mnist": "abc"}
    columns = {"codes": {"bits": "f64"}}
    return PackResult(
        {"trials": rows, "codes": rows * 2}, files, checksums, Steps(10 * number, number), ["hm"], columns
    )


def test_everything_of_every_piece_is_in_the_whole() -> None:
    whole = join([piece(1), piece(2)])
    assert [row["trial_id"] for row in whole.rows] == ["t1", "t2"]
    assert len(whole.tables["codes"]) == 4 and list(whole.files) == ["models/t1.mdl", "models/t2.mdl"]
    assert (whole.steps, whole.notes) == (Steps(30, 3), ["hm", "hm"])
    assert join([piece(1)]) == piece(1)
    assert all(getattr(whole, field.name) for field in fields(PackResult))
    assert join([]) == PackResult()


def test_a_result_goes_through_plain_values_and_back() -> None:
    assert from_plain(to_plain(piece(1))) == piece(1)
    assert type(to_plain(piece(1))["steps"]) is list


def test_rows_of_a_pack_share_its_columns_and_failed_ones_have_all_columns() -> None:
    pack = Pack("sweep", (TrialSpec(),))
    row = failed_pack(pack, "lost", "0123456789abcdef").rows[0]
    assert to_table([row], TRIALS).num_rows == 1 and row["sweep_version"] == "0123456789abcdef"
    own = PackResult({"trials": [row]}, columns={"trials": {"flatness": "f64?"}})
    shared = of_pack(own, pack, None, device="cpu", seconds=3.0).rows[0]
    assert shared["flatness"] is None and shared["wall_seconds"] == 3.0 and shared["sweep_version"] is None
