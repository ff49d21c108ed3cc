"""Addresses: what each of them means, and that none is taken for another."""

from pathlib import Path

import pytest

from mdlray.storage.local import LocalFolder
from mdlray.storage.storage import below, is_remote, move_aside, open_storage, read_file


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("results/x", "results/x"),
        ("results/x/", "results/x"),
        (Path("results/x"), "results/x"),
        ("/data/a b%20c?d#e", "/data/a b%20c?d#e"),
        ("file:///data/x", "/data/x"),
        ("file://localhost/data/x", "/data/x"),
        ("file:///data/a%20b%3Fc%23d", "/data/a b?c#d"),
        ("~/x", "/home/somebody/x"),
        (Path("~/x"), "/home/somebody/x"),
        ("a:b/c", "a:b/c"),
    ],
)
def test_a_local_address_is_a_folder(address: str | Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert not is_remote(address) and open_storage(address) == LocalFolder(Path(path))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file://data/x", "'file://data/x' is no local path; write file:///absolute/path"),
        ("file://", "is no local path"),
        ("file:///data/x?y", "is no local path; .* %3F for"),
        ("file:///data/x#y", "is no local path; .* %23 for"),
        ("s3:/bucket/x", "'s3:/bucket/x' has one slash after the colon; write addresses with two, and as text"),
        ("file:/data/x", "has one slash after the colon"),
        (Path("s3://bucket/x"), "'s3:/bucket/x' has one slash .*a Path makes one of them"),
        ("~nobody-of-this-name/x", "begins with ~ and no user's name; write the absolute path"),
        ("s3:///x", "names no bucket; write it like s3://bucket/prefix"),
        ("s3://bucket/x#y", "has a #, and what follows it would be lost"),
    ],
)
def test_an_address_that_means_nothing_is_refused(address: str | Path, message: str) -> None:
    """Not taken for a folder with a strange name, where nobody would look for the results."""
    with pytest.raises(ValueError, match=message):
        open_storage(address)


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/", "s3://bucket/x/?scheme=http", "gs://bucket?a=b/c"])
def test_an_address_without_a_file_is_no_file(address: str) -> None:
    with pytest.raises(ValueError, match="names no file; write it like s3://bucket/prefix/models/<trial_id>.mdl"):
        read_file(address)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("results", Path("results/toy")),
        ("file:///data", Path("/data/toy")),
        ("s3://bucket", "s3://bucket/toy"),
        ("s3://bucket/x/", "s3://bucket/x/toy"),
        ("s3://bucket/x?scheme=http&endpoint_override=h:1", "s3://bucket/x/toy?scheme=http&endpoint_override=h:1"),
        ("s3://bucket?endpoint_override=http://h/p", "s3://bucket/toy?endpoint_override=http://h/p"),
    ],
)
def test_a_name_goes_before_the_options(address: str, inside: str | Path) -> None:
    assert below(address, "toy") == inside


def test_a_file_is_read_by_every_spelling_of_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a b?c.mdl"
    path.write_bytes(b"content")
    for address in (path, str(path), f"file://{tmp_path}/a%20b%3Fc.mdl"):
        assert read_file(address) == b"content"
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none.mdl")


@pytest.mark.parametrize("kind", ["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def test_both_kinds_keep_the_same_promises(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if kind == "bucket":
        request.getfixturevalue("s3")
    storage = open_storage(tmp_path / "toy" if kind == "folder" else "s3://bucket/results/toy")
    assert storage.name == "toy" and storage.names() == set() and storage.names("none") == set()
    assert not storage.exists("a") and not list(tmp_path.iterdir()), "looking makes nothing"
    with storage.writing():
        storage.write({"a": b"1", "models/b": b"2", "models/c": b"3"})
        storage.write({"a": b"4"})
        storage.delete(["models/b", "models/never"])
        storage.clean("")
        storage.clean("none")
    assert "a" in storage.names() and storage.names("models") == {"c"}
    assert storage.exists("models/c") and not storage.exists("models/b")
    assert storage.read("a") == b"4" == read_file(storage.address("a"))
    with storage.writing():
        storage.write({"damaged/notes.txt": b"a person's"})
        assert move_aside(storage, "models/c") == "damaged/1-c" and move_aside(storage, "a") == "damaged/2-a"
        with pytest.raises(FileNotFoundError):
            move_aside(storage, "a")
    assert storage.names("damaged") == {"1-c", "2-a", "notes.txt"} and storage.read("damaged/2-a") == b"4"
    assert not storage.exists("a") and storage.names("models") == set()
    for read in (lambda: storage.read("models/b"), lambda: read_file(storage.address("models/b"))):
        with pytest.raises(FileNotFoundError):
            read()
