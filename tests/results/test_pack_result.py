"""Results of pieces add up to the pack's."""

from dataclasses import fields

from mdlray.results.pack_result import PackResult, Steps, from_plain, join, model_file, to_plain


def piece(number: int) -> PackResult:
    rows = [{"trial_id": f"t{number}"}]
    files, checksums = {model_file(f"t{number}"): b"MDL"}, {"mnist": "abc"}
    return PackResult({"trials": rows, "codes": rows * 2}, files, checksums, Steps(10 * number, number), ["hm"])


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
