"""Every committed file decodes to the tensors it decoded to when it was committed."""

import hashlib
from pathlib import Path

import pytest

from mdlray.codec import CodedTensor, decode

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
DIGESTS = {
    "compare_pruning": "9b4c4e145ca87ad3762284c24969eede4291f31d8330644868c7eda59834fd75",
    "convnet_grid-tpe": "48d8c343cbf692d0f0e9b43d66042042708908d0ed3e57f8ae78251bdb3ac156",
    "hashednet_vs_conv": "1365f6b03894d7a24d4a3a1f82a2114b5c50d7690c0dc7bfded9c9821d85396b",
    "lenet300_records": "9d0f7dbe8b89171946218dcf9077147f0a4e3ba75cc69c008444e2e0306eb943",
    "lenet5_records": "f8cb37057cef33dabd72c1e9a01f84f3fb6bd9afe431fcb37ec85b1fa3893c3a",
    "lossy_choices": "195e4d169d516599e4282b9ccd611ba9bc67b14903218a7ffa54b9e136a1e902",
    "lossy_search-quick-tpe": "72998b0496e226388327e8feb9e7b9b694a35c76c4241a3dca55957b3f93e159",
    "lossy_search-tpe": "ce6b12d3135fa531507d1b51d311191211a16421be24110461f8ddf7972162eb",
    "small_dense": "9369dd92570b6869f13f4e0534fc43628a14e34e9375515bc7d1edeb0b02d09c",
    "pareto_search-random": "b8c1043b1adb364d707625ead629b22e4af40717a966b0ae1be907b87d5f9b79",
    "pareto_search-tpe": "7374d6d920859eba0f889083e83857521adaca39090bec672274b29f36eefce1",
    "pruning_variants": "440f889d5f1426f3d44107ee6a4399b58373cb0d2b687445768199f3e8e49c25",
    "randomization": "e18f6c817432c7907b96cf5d03490edc73c703d763868a0a51df3b207d875722",
    "shrink_students": "1f9b0bc6d1e26e3ec94beca0a12a4fa91dff6a8950ec8776eb4d04f263c1a80c",
}
"""Of each folder with models: SHA-256 of the names, headers and tensors (as float16) of its files. A folder to which
files are added gets a new digest."""


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.mdl")):
        network = decode(path.read_bytes())
        total.update(repr((path.name, network.family, network.shape, network.pixel_mean, network.pixel_std)).encode())
        for tensor in network.tensors:
            numbers = tensor.weights if isinstance(tensor, CodedTensor) else tensor.values
            total.update(repr(numbers.shape).encode() + numbers.astype("<f2").tobytes())
    return total.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("name", DIGESTS)
def test_every_committed_file_decodes_to_its_tensors(name: str) -> None:
    assert digest(REFERENCE / name / "models") == DIGESTS[name]
