"""The small ResNet of the codec's benchmark: what is pruned, what files hold, and that it comes back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mdlray import codec

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """The module `small_resnet`."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import small_resnet

    return small_resnet


def test_a_network_comes_back_from_its_file(script):
    torch.manual_seed(0)
    network = script.ResNet8()
    with torch.no_grad():
        for number, value in enumerate(network.state_dict().values()):
            if value.dim() == 1:  # what a fresh network has here are zeros and ones only
                value.copy_(torch.rand(value.shape) + 0.5 + 0.01 * number)
    script.prune(network, 0.5)
    coded = script.coded(network)
    decoded = script.built(codec.decode(codec.encode(coded).blob))
    for name, value in network.state_dict().items():
        found = decoded.state_dict()[name]
        if name.endswith("num_batches_tracked"):
            continue
        if value.dim() == 1:
            assert torch.equal(found, value.half().float()), name
        else:
            assert torch.equal(found == 0, value == 0) and len(found.unique()) <= script.LEVELS + 1, name
            assert (found - value).abs().max() < 0.15 * value.abs().max(), name
    network.load_state_dict(decoded.state_dict())
    pixels = torch.randint(0, 256, (4, 3, 32, 32)).float()
    assert torch.equal(network.eval()(pixels), decoded.eval()(pixels))


def test_pruning_removes_the_smallest_of_all_layers_exactly(script):
    network = script.ResNet8()
    before = torch.cat([weight.detach().abs().flatten() for weight in script.weights_of(network)])
    assert before.numel() == 77_360
    script.prune(network, 0.95)
    after = torch.cat([weight.detach().abs().flatten() for weight in script.weights_of(network)])
    assert int((after == 0).sum()) == round(0.95 * 77_360)
    assert before[after == 0].max() <= after[after > 0].min()


def test_pictures_are_shifted_and_mirrored(script):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (16, 3, 32, 32), dtype=torch.uint8)
    mirrored = 0
    for before, after in zip(pixels, script.augmented(pixels, generator), strict=True):
        found = []
        for mirror in (False, True):
            padded = torch.nn.functional.pad(before, (4, 4, 4, 4))
            padded = padded.flip(2) if mirror else padded
            windows = padded.unfold(1, 32, 1).unfold(2, 32, 1)  # (3, 9, 9, 32, 32)
            found.append(int((windows == after[:, None, None]).all((0, 3, 4)).sum()))
        assert sorted(found) == [0, 1]
        mirrored += found[1]
    assert 2 < mirrored < 14


@pytest.mark.parametrize("name", ["resnet8_90.mdl", "resnet8_95.mdl"])
def test_the_files_are_what_their_notes_say(script, name):
    notes = json.loads((BENCHMARKS / "networks" / "small_resnet.json").read_text())
    network = codec.decode((BENCHMARKS / "networks" / name).read_bytes())
    coded = [tensor for tensor in network.tensors if isinstance(tensor, codec.CodedTensor)]
    zeros = sum(int((tensor.symbols == 0).sum()) for tensor in coded)
    # Weights that k-means rounds to zero come on top of the pruned ones.
    assert notes[name]["zeros"] == pytest.approx(zeros / 77_360, abs=1e-4)
    assert all(len(tensor.codebook) <= script.LEVELS for tensor in coded)
    assert 0.5 < notes[name]["test_accuracy"] < notes["dense"]["test_accuracy"] + 0.02
    assert np.isfinite(script.built(network).head.weight.detach().numpy()).all()
