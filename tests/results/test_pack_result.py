"""Results of pieces add up to the pack's."""

from dataclasses import fields

from mdlray.results.pack_result import PackResult, join


def piece(number: int) -> PackResult:
    rows = [{"trial_id": f"t{number}"}]
    models, checksums = {f"t{number}": b"MDL"}, {"mnist": "abc"}
    return PackResult(rows, rows * 2, rows * 3, models, checksums, 10 * number, number, ["hm"], rows * 4)


def test_everything_of_every_piece_is_in_the_whole() -> None:
    whole = join([piece(1), piece(2)])
    assert [row["trial_id"] for row in whole.rows] == ["t1", "t2"]
    assert (len(whole.curves), len(whole.layers), len(whole.weights), list(whole.models)) == (4, 6, 8, ["t1", "t2"])
    assert (whole.member_steps, whole.saved_member_steps, whole.notes) == (30, 3, ["hm", "hm"])
    assert join([piece(1)]) == piece(1)
    assert all(getattr(whole, field.name) for field in fields(PackResult))
    assert join([]) == PackResult()
