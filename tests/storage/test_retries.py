"""What is tried again, how long, and what is not; the real refusals of a server are in `test_bucket.py`."""

import logging
import re
import time
from collections.abc import Callable

import pytest

from mdlray.storage import retries
from mdlray.storage.retries import with_retries


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of a second stands for the minute."""
    for name, seconds in {"RETRY_SECONDS": 0.2, "FIRST_WAIT_SECONDS": 0.01, "LONGEST_WAIT_SECONDS": 0.04}.items():
        monkeypatch.setattr(retries, name, seconds)


class Store:
    """Fails with these errors, one after the other, then answers; notes when it was asked."""

    def __init__(self, *errors: BaseException):
        self.errors, self.asked = list(errors), list[float]()

    def __call__(self) -> str:
        self.asked.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def ask(do: Callable[[], str]) -> str:
    return with_retries(do, "reading s3://bucket/x/a", "s3://bucket/x")


def test_an_answer_at_once_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    assert ask(store) == "answer" and len(store.asked) == 1 and not caplog.records


def test_a_store_that_comes_back_is_waited_for_and_mentioned_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert ask(store := Store(OSError("one\ntwo"), TimeoutError("three"), ConnectionError("four"))) == "answer"
    assert len(store.asked) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "reading s3://bucket/x/a failed (one); trying again for 0 s"
    ]


def test_waits_double_up_to_the_longest() -> None:
    ask(store := Store(*[OSError("no answer")] * 4))
    waits = [after - before for before, after in zip(store.asked, store.asked[1:], strict=False)]
    assert all(wait >= least for wait, least in zip(waits, (0.01, 0.02, 0.04, 0.04), strict=True)), waits


def test_a_store_that_stays_away_is_given_up_in_time_with_what_to_do() -> None:
    store, begun = Store(*[OSError("no route\nmore about it")] * 1000), time.monotonic()
    with pytest.raises(OSError) as failed:
        ask(store)
    assert time.monotonic() - begun > 0.2 - 0.04, "given up too early"
    assert 2 <= len(store.asked) <= 7, "waits of 0.01, 0.02 and then 0.04 s fit six times into 0.2 s"
    assert re.fullmatch(
        rf"reading s3://bucket/x/a failed {len(store.asked)} times in \d+ s, the last time with: no route\. Nothing "
        r"that is stored is lost: when s3://bucket/x answers again, the same command resumes\.",
        str(failed.value),
    )


@pytest.mark.parametrize("error", [FileNotFoundError("a"), ValueError("b"), KeyboardInterrupt()])
def test_what_is_no_outage_passes_at_once(error: BaseException) -> None:
    store = Store(error)
    with pytest.raises(type(error)) as passed:
        ask(store)
    assert passed.value is error and len(store.asked) == 1


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("AWS Error NO_SUCH_BUCKET during PutObject operation: The bucket does not exist", "no such bucket; make it"),
        ("[ContainerNotFound] The specified container does not exist.", "no such bucket; make it"),
        ("AWS Error ACCESS_DENIED during GetObject operation: Access Denied", "check AWS_ACCESS_KEY_ID"),
        ("AWS Error UNKNOWN (HTTP status 403) during HeadObject operation", "refuses these credentials"),
        ("[AuthorizationPermissionMismatch] This request is not authorized", "refuses these credentials"),
        ("AWS Error UNKNOWN (HTTP status 301) during HeadBucket operation", "set AWS_DEFAULT_REGION"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(answer: str, advice: str) -> None:
    store = Store(OSError(f"{answer}\nmore about it"))
    with pytest.raises(ValueError, match=f"reading s3://bucket/x/a was refused: .*{advice}") as refused:
        ask(store)
    assert len(store.asked) == 1 and str(refused.value).endswith(f"({answer}).")


@pytest.mark.parametrize(
    "answer", ["AWS Error SLOW_DOWN (HTTP status 503)", "HTTP status 500", "curlCode: 28, Timeout"]
)
def test_a_busy_store_is_asked_again(answer: str) -> None:
    assert ask(Store(OSError(answer))) == "answer"
