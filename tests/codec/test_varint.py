"""Header integers: every number has one form, and only that one is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlray.codec import DecodeError
from mdlray.codec.varint import ByteReader, to_bytes


@given(st.integers(0, 2**35 - 1))
def test_round_trip_in_the_shortest_form(number: int) -> None:
    encoded = to_bytes(number)
    reader = ByteReader(b"x" + encoded + b"y", 1)
    assert reader.number() == number and reader.position == 1 + len(encoded)
    assert len(encoded) == max(1, -(-number.bit_length() // 7))


@pytest.mark.parametrize("encoded", [b"", b"\x80", b"\x80\x00", b"\xff\xff\xff\xff\xff\x01"])
def test_cut_off_long_winded_and_endless_numbers_are_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        ByteReader(encoded, 0).number()
