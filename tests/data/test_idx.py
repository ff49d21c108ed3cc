import gzip
import hashlib
import struct

import numpy as np
import pytest

from mdlray.data.idx import read_idx

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + ARRAY.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t10k-images-idx3-ubyte"


def test_reads_back_what_the_format_says(path):
    path.write_bytes(CONTENT)
    read = read_idx(path, 3, hashlib.md5(CONTENT).hexdigest())
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, ARRAY)


def test_reads_a_gzipped_file_with_the_sum_of_the_compressed_bytes(path):
    packed = gzip.compress(CONTENT)
    path = path.with_name(path.name + ".gz")
    path.write_bytes(packed)
    np.testing.assert_array_equal(read_idx(path, 3, hashlib.md5(packed).hexdigest()), ARRAY)


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_file_cut_anywhere_or_too_long_is_refused(path, gzipped):
    whole = gzip.compress(CONTENT) if gzipped else CONTENT
    path = path.with_name(path.name + ".gz") if gzipped else path
    for content in [*(whole[:length] for length in range(len(whole))), whole + b"\x01"]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="Delete it") as refused:
            read_idx(path, 3)
        assert str(path) in str(refused.value)


def test_any_change_in_the_header_is_refused(path):
    for place in range(16):
        for bit in range(8):
            changed = bytearray(CONTENT)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(ValueError, match="is damaged"):
                read_idx(path, 3)


def test_a_flipped_bit_in_a_pixel_is_refused_where_the_sum_is_known(path):
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert read_idx(path, 3).shape == ARRAY.shape
    with pytest.raises(ValueError, match="md5 sum"):
        read_idx(path, 3, hashlib.md5(CONTENT).hexdigest())


def test_labels_in_place_of_images_are_refused(path):
    path.write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + b"\x01\x02")
    with pytest.raises(ValueError, match="it must begin with '00000803'"):
        read_idx(path, 3)
