"""The manifest read back: a mapping, or a word about what is wrong with it."""

from pathlib import Path

import pytest

from mdlray.results import Store
from mdlray.results.manifest import last_run, parse_manifest
from mdlray.results.parquet import DamagedFileError

WHOLE = b'{"data_checksums": {"mnist": ["sha256:1"]}, "runs": [{"sweep": "toy"}, {"sweep": "toy", "question": "Why?"}]}'
CONFLICT = b"{\n<<<<<<< ours\n  1\n=======\n  2\n>>>>>>> theirs\n}"
DAMAGED = {
    "cut": WHOLE[: len(WHOLE) // 2],
    "conflict": CONFLICT,
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "a number": b"3",
    "runs of another shape": b'{"runs": {"sweep": "toy"}}',
    "a run of another shape": b'{"runs": ["toy"]}',
    "checksums of another shape": b'{"data_checksums": ["mnist"]}',
}


def test_the_last_run_of_a_whole_manifest() -> None:
    assert last_run(parse_manifest(WHOLE)) == {"sweep": "toy", "question": "Why?"}
    assert last_run(parse_manifest(b"{}")) == last_run(parse_manifest(b" \n")) == {}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_manifest_is_named_with_the_reason(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"manifest.json is damaged: .+\. Run the sweep again: it moves"):
        Store(tmp_path).read_manifest()


def test_the_committed_manifests_are_whole() -> None:
    paths = list((Path(__file__).parents[2] / "results" / "reference").glob("*/manifest.json"))
    assert paths and all(last_run(parse_manifest(path.read_bytes()))["sweep"] for path in paths)
