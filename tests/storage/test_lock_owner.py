"""Whoever holds a lock is named; it is called dead only where this machine knows it."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlray.storage.lock_owner import LockOwner

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SHOW = "from mdlray.storage.lock_owner import LockOwner; print(LockOwner.me().to_json())"


def child_of_this_process() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)


@settings(max_examples=30)
@given(st.builds(LockOwner, st.text(), st.integers(1, 2**31 - 1), st.text(), st.text()))
def test_a_holder_is_read_back(holder: LockOwner) -> None:
    assert LockOwner.from_json(holder.to_json()) == holder and holder.to_json().count("\n") == 1
    assert LockOwner.from_json(holder.to_json().encode()) == holder
    assert str(holder) == f"process {holder.pid} on {holder.host}, since {holder.since}"


@settings(max_examples=60)
@given(st.binary() | (ANY_JSON | st.dictionaries(st.sampled_from(["host", "pid", "since"]), ANY_JSON)).map(json.dumps))
def test_what_is_no_holder_is_unknown_and_alive(text: str | bytes) -> None:
    unknown = LockOwner.from_json(text)
    assert str(unknown) == "its holder is not known" and not unknown.surely_dead()


@pytest.mark.parametrize("pid", ["0", "-1", "-5", "2147483648", "1e30", "Infinity", "NaN", "null", '"x"', "[1]"])
def test_a_number_that_names_no_process_is_unknown(pid: str) -> None:
    """Asking the system about it would be an error, or about a group of processes."""
    text = LockOwner.me().to_json().replace(f'"pid": {LockOwner.me().pid}', f'"pid": {pid}')
    assert json.loads(text).keys() == asdict(LockOwner.me()).keys()
    assert str(LockOwner.from_json(text)) == "its holder is not known" and not LockOwner.from_json(text).surely_dead()


def test_json_of_any_depth_is_unknown() -> None:
    assert str(LockOwner.from_json("[" * 100_000)) == "its holder is not known"


def test_only_who_is_gone_from_this_machine_is_dead() -> None:
    me = LockOwner.me()
    assert not me.surely_dead() and not replace(me, pid=1).surely_dead()
    with child_of_this_process() as child:
        theirs = replace(me, pid=child.pid)
        assert not theirs.surely_dead()
        child.kill()
    assert theirs.surely_dead()
    for machine in ("", "another boot", f"{me.machine} "):
        assert not replace(theirs, machine=machine).surely_dead(), "its process ids are not ours"


def test_a_container_is_another_machine() -> None:
    """In a process namespace of its own, numbers mean other processes."""
    made = subprocess.run(["unshare", "--pid", "--fork", sys.executable, "-c", SHOW], capture_output=True, text=True)
    if made.returncode and "unshare" in made.stderr:
        pytest.skip(f"a process namespace cannot be made here: {made.stderr.strip()}")
    theirs, me = LockOwner.from_json(made.stdout), LockOwner.me()
    assert theirs.host == me.host and theirs.pid == 1 and theirs.machine not in ("", me.machine)
    assert not theirs.surely_dead()
