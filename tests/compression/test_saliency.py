"""What ranks weights: Optimal Brain Damage against the loss change that deletions really cause."""

import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy

from mdlray.compression import SALIENCIES
from mdlray.compression.saliency import check_saliency
from mdlray.data import load_images
from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import Examples, fit, place_splits

FAMILY = get_family("dense")


def trained() -> tuple[list[torch.Tensor], Examples]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (240,), generator=generator)
    pixels = (labels[:, None] * 60 + torch.randint(0, 90, (240, 8), generator=generator)).to(torch.uint8)
    data = Examples(pixels, labels[None], 0.5, 0.3)
    spec = replace_fields(
        TrialSpec(), {"training.num_epochs": 30, "training.batch_size": 24, "compression.last_pruning_epoch": 30}
    )
    return fit(FAMILY, (8, 6, 3), [spec], data, data, lambda *_: None).parameters, data


def test_magnitude_is_the_absolute_value() -> None:
    parameters, data = trained()
    assert torch.equal(SALIENCIES["magnitude"](FAMILY, parameters, data, 1)[1], parameters[2].abs())


def test_brain_damage_ranks_weights_as_their_deletion_hurts() -> None:
    """Deleting small shares of single weights changes the loss by about ½ h δ²; the ranks agree."""
    parameters, data = trained()
    saliency = SALIENCIES["obd"](FAMILY, parameters, data, 240)
    inputs, labels = data.inputs(slice(None)).double(), data.labels_MN[0]

    def loss(changed: list[torch.Tensor]) -> float:
        return float(cross_entropy(FAMILY.forward([p.double() for p in changed], inputs, None)[0], labels))

    share, predicted, measured = 0.05, [], []
    for layer, index in enumerate((0, 2)):
        flat = parameters[index].flatten()
        for position in range(flat.numel()):
            both = []
            for sign in (1, -1):  # the mean of both directions leaves the second-order part
                changed = [p.clone() for p in parameters]
                changed[index].view(-1)[position] += sign * share * flat[position]
                both.append(loss(changed))
            measured.append((sum(both) / 2 - loss(parameters)) / share**2)
            predicted.append(float(saliency[layer].flatten()[position]))
    ranks = torch.stack([torch.tensor(values).argsort().argsort().double() for values in (predicted, measured)])
    correlation = float(torch.corrcoef(ranks)[0, 1])
    assert correlation > 0.95, correlation


def test_brain_damage_ranks_real_digits_weights_better_than_magnitude() -> None:
    """Whole deletions of single weights of a network that is trained to its end: slopes and interplay count, too."""
    changes = {"data.dataset": "mnist5k", "model.hidden_units": (20,), "training.num_epochs": 40}
    spec = replace_fields(TrialSpec(), changes | {"training.batch_size": 64, "compression.last_pruning_epoch": 5})
    splits, _ = place_splits(load_images(spec.data, 0, None), [spec], torch.device("cpu"))
    train, validation = splits["train"], splits["validation"]
    fitted = fit(FAMILY, (784, 20, 10), [spec], train, validation, lambda *_: None)
    parameters, inputs = [p.double() for p in fitted.parameters], train.inputs(slice(None)).double()

    def loss() -> float:
        return float(cross_entropy(FAMILY.forward(parameters, inputs, None)[0], train.labels_MN[0]))

    whole, generator = loss(), torch.Generator().manual_seed(0)
    measured, predicted = [], {"obd": [], "magnitude": []}
    saliencies = {name: SALIENCIES[name](FAMILY, fitted.parameters, train, 4096) for name in predicted}
    for layer, index in enumerate((0, 2)):
        flat = parameters[index].view(-1)
        for position in torch.randperm(flat.numel(), generator=generator)[:100].tolist():
            weight = float(flat[position])
            flat[position] = 0
            measured.append(loss() - whole)
            flat[position] = weight
            for name, values in predicted.items():
                values.append(float(saliencies[name][layer].view(-1)[position]))
    found = {name: float(spearmanr(values, measured).statistic) for name, values in predicted.items()}
    assert found["obd"] > 0.7 and found["obd"] > found["magnitude"] + 0.1, found


def test_a_method_that_gives_other_shapes_is_named() -> None:
    masks = [torch.ones(2, 3, 4), torch.ones(2, 5, 3)]
    words = r"'mine' gave saliencies of shapes \[\(2, 3, 4\)\], they must have \[\(2, 3, 4\), \(2, 5, 3\)\]"
    with pytest.raises(ValueError, match=words):
        check_saliency("mine", masks[:1], masks)


def test_examples_are_averaged_over_chunks() -> None:
    parameters, data = trained()
    tripled = Examples(data.pixels_NP.repeat(3, 1), data.labels_MN.repeat(1, 3), data.mean, data.std)
    once = SALIENCIES["obd"](FAMILY, parameters, data, 240)
    often = SALIENCIES["obd"](FAMILY, parameters, tripled, 720)
    for a, b in zip(once, often, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-9)
