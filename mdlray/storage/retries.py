"""Requests to an object store: repeated while the store does not answer, and given up at once if waiting cannot help.

The waits are 0.5, 1, 2, 4, 8, 8, … seconds; after `RETRY_SECONDS` in all, the error says what was tried. Within each
of these tries the store's own library repeats the request a few times as well.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

RETRY_SECONDS = 60.0
"""How long a request is repeated before a person has to look."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 8.0

_REFUSED = {
    r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|ContainerNotFound": (
        "there is no such bucket; make it first, or correct --results"
    ),
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch|"
    r"MISSING_AUTHENTICATION_TOKEN|INVALID_CLIENT_TOKEN_ID|ExpiredToken|InvalidToken|UNRECOGNIZED_CLIENT|"
    r"AuthFailure|AuthenticationFailed|AuthorizationFailure|AuthorizationPermissionMismatch|"
    r"HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|No credentials": (
        "the store refuses these credentials; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, the "
        "profile, and that they may read, write, list and delete there"
    ),
    r"HTTP status 301|PermanentRedirect|AuthorizationHeaderMalformed": (
        "the bucket is in another region; set AWS_DEFAULT_REGION to its region"
    ),
}
"""Answers that waiting does not change → what to do about them."""

Result = TypeVar("Result")
_log = logging.getLogger("mdlray")


def with_retries(do: Callable[[], Result], what: str, address: str) -> Result:
    """Call `do` until it succeeds, and return its result; `what` and `address` are for the messages.

    Raises FileNotFoundError at once, ValueError at once if the store refuses the request, and OSError if the store did
    not answer for `RETRY_SECONDS`.
    """
    begun, wait, tries = time.monotonic(), FIRST_WAIT_SECONDS, 0
    while True:
        tries += 1
        try:
            return do()
        except FileNotFoundError:
            raise
        except OSError as error:
            first_line = str(error).partition("\n")[0]
            for pattern, advice in _REFUSED.items():
                if re.search(pattern, first_line):
                    raise ValueError(f"{what} was refused: {advice} ({first_line}).") from error
            seconds = time.monotonic() - begun
            if seconds + wait > RETRY_SECONDS:
                raise OSError(
                    f"{what} failed {tries} times in {seconds:.0f} s, the last time with: {first_line}. Nothing that "
                    f"is stored is lost: when {address} answers again, the same command resumes."
                ) from error
            if tries == 1:
                _log.warning("%s failed (%s); trying again for %.0f s", what, first_line, RETRY_SECONDS)
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
