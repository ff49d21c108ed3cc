"""What produced a folder."""

import json

from mdlray.driver.manifest import current_commit, describe_run, merge, note_on_last_run, package_version, shown_file


def run(**more: object) -> dict[str, object]:
    known = {
        "sweep": "toy",
        "question": "?",
        "file": "sweeps/toy.py",
        "version": "0123456789abcdef",
        "study": "",
        "command": "python -m mdlray.sweep toy",
        "started": "2026-01-01T00:00:00",
    }
    known |= {"commit": None, "seconds": 1.26, "resources": {"num_parallel": 2}, "counts": {"asked": 3}}
    known |= {"member_steps": {"done": 10, "saved": 0}}
    return describe_run(**(known | more))  # type: ignore[arg-type]


def test_a_run_names_versions_and_machine() -> None:
    described = json.loads(json.dumps(run()))
    assert described["seconds"] == 1.3 and described["packages"]["torch"] and described["machine"]["num_cpus"]
    assert package_version("no-such-package") is None


def test_runs_and_checksums_add_up() -> None:
    first = merge({}, run(), {"mnist": ["a", "a"]})
    second = merge(first, run(seconds=2.0), {"mnist": ["a"], "kmnist": ["b"]})
    third = merge(second, run(), {"mnist": ["c"]})
    assert len(third["runs"]) == 3 and len(first["runs"]) == 1
    assert third["data_checksums"] == {"mnist": ["a", "c"], "kmnist": ["b"]}


def test_the_commit_is_a_hash_or_none() -> None:
    commit = current_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40


def test_another_file_with_another_question_in_the_same_folder_is_noted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_file(str(tmp_path / "sweeps" / "toy.py")) == "sweeps/toy.py"
    assert (shown_file("/elsewhere/toy.py"), shown_file("")) == ("toy.py", None)
    manifest = merge({}, run(), {})
    assert "was of sweeps/toy.py with the question '?'" in str(note_on_last_run(manifest, "toy.py", "Which?"))
    for file, question in (("toy.py", "?"), ("sweeps/toy.py", "Which?"), (None, "Which?")):
        assert note_on_last_run(manifest, file, question) is None
    assert note_on_last_run({}, "toy.py", "Which?") is None
    assert note_on_last_run({"runs": [{"question": "of an older version"}]}, "toy.py", "Which?") is None
