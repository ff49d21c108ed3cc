"""Non-negative integers <-> bytes: LEB128, seven bits per byte, low bits first, high bit set in all but the last byte.

For example, 100 is one byte (100), and 784 is two bytes (144, 6). Only the shortest form of a number is accepted, so
that equal networks have equal headers.
"""

MAX_BYTES = 5


class DecodeError(ValueError):
    """The bytes are not a network of this format: they are damaged, cut off, foreign, or of another version."""


def to_bytes(number: int) -> bytes:
    """The encoding of 0 <= number < 2^35, 1 to 5 bytes."""
    assert 0 <= number < 1 << 7 * MAX_BYTES
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


class ByteReader:
    """Reads a header from front to back; DecodeError if the bytes end too early."""

    def __init__(self, encoded: bytes, position: int) -> None:
        self._encoded = encoded
        self.position = position

    def __len__(self) -> int:
        """The number of bytes of the whole file."""
        return len(self._encoded)

    def take(self, num_bytes: int) -> bytes:
        """The next `num_bytes` bytes."""
        taken = self._encoded[self.position : self.position + num_bytes]
        if len(taken) != num_bytes:
            raise DecodeError("the file ends inside its header.")
        self.position += num_bytes
        return taken

    def number(self) -> int:
        """The next varint."""
        number = 0
        for index in range(MAX_BYTES):
            byte = self.take(1)[0]
            number |= (byte & 127) << 7 * index
            if byte < 128:
                if byte == 0 and index > 0:
                    break
                return number
        raise DecodeError("the header holds a number that is not in its shortest form or has more than 5 bytes.")
