"""Does Optimal Brain Damage rank weights as their deletion hurts? Predicted against measured changes of the loss.

    python benchmarks/saliency.py [--weights 150] [--examples 2000] [--seed 0]

trains one network of each family on the 5,000 embedded digits, sets single weights of each layer to zero (up to
`--weights` of them, drawn at random), and prints Spearman's rank correlation between the measured change of the mean
loss over the first `--examples` training pictures, in double precision, and three predictions:

    magnitude |w|,   Optimal Brain Damage ½ h w²,   with slope ½ h w² - g w

g and h are the loss's slope and Gauss-Newton curvature there. The last is what the second-order expansion says of a
network that is not at a minimum; where it ranks better than the one before, the assumption of a minimum is what hurts.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn.functional import cross_entropy

from mdlray.compression import SALIENCIES
from mdlray.data import load_images
from mdlray.models import Family, get_family, prunable
from mdlray.spec import replace_fields
from mdlray.studies.baktash_2019.protocol import QUICK_BASE, convnet, hashed
from mdlray.training import Examples, fit, place_splits

NETWORKS: dict[str, Mapping[str, Any]] = {
    "dense-20, 20 epochs": {"model.hidden_units": (20,), "training.num_epochs": 20},
    "dense-20, 60 epochs": {"model.hidden_units": (20,), "training.num_epochs": 60},
    "convnet-8-k7-p3, 22 epochs": {**convnet(8, 7, 1, 3), "training.num_epochs": 22},
    "hashed-100, fraction 0.1, 40 epochs": hashed(100, 0.1),
}


def trained(changes: Mapping[str, Any]) -> tuple[Family, list[Tensor], Examples]:
    """One network in single precision, unpruned, and the examples it was trained on."""
    spec = replace_fields(QUICK_BASE, {**changes, "compression.last_pruning_epoch": 5, "compression.method": "none"})
    images = load_images(spec.data, 0, None)
    splits, _ = place_splits(images, [spec], torch.device("cpu"))
    family = get_family(spec.model.family)
    sizes = family.sizes(spec.network, images.pixels_NP.shape[1], images.num_classes)
    family = family.for_sizes(sizes)
    fitted = fit(family, sizes, [spec], splits["train"], splits["validation"], lambda *_: None)
    return family, fitted.parameters, splits["train"]


def deletions(
    family: Family, parameters: list[Tensor], train: Examples, num_examples: int, most: int, seed: int
) -> list[dict[str, list[float]]]:
    """Per layer, for weights drawn at random: measured loss change, and what each prediction says of it."""
    exact = [parameter.double() for parameter in parameters]
    inputs, labels = train.inputs(slice(num_examples)).double(), train.labels_MN[0, :num_examples]

    def loss() -> Tensor:
        return cross_entropy(family.forward(exact, inputs, None)[0], labels)

    layers = prunable(parameters)
    wanted = [exact[index].requires_grad_() for index in layers]
    slopes = torch.autograd.grad(loss(), wanted)
    for weight in wanted:
        weight.requires_grad_(False)
    before = float(loss())
    ranked = {name: SALIENCIES[name](family, parameters, train, num_examples) for name in ("magnitude", "obd")}
    ranked["with slope"] = [
        obd - (slope * weight).float() for obd, slope, weight in zip(ranked["obd"], slopes, wanted, strict=True)
    ]
    generator, found = torch.Generator().manual_seed(seed), []
    for layer, index in enumerate(layers):
        flat = exact[index].view(-1)
        places = torch.randperm(flat.numel(), generator=generator)[:most].tolist()
        columns = {name: [float(values[layer].flatten()[place]) for place in places] for name, values in ranked.items()}
        columns["measured"] = []
        for place in places:
            weight = float(flat[place])
            flat[place] = 0
            columns["measured"].append(float(loss()) - before)
            flat[place] = weight
        found.append(columns)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, default=150, help="weights deleted per layer, at most")
    parser.add_argument("--examples", type=int, default=2000, help="training pictures whose mean loss it is")
    parser.add_argument("--seed", type=int, default=0, help="of the network and of the weights drawn")
    args = parser.parse_args()
    names = ("magnitude", "obd", "with slope")
    print(f"| network | weights of | {' | '.join(names)} |\n| --- | --- |{' ---: |' * len(names)}")
    for title, changes in NETWORKS.items():
        seeds = {f"seeds.{name}": args.seed for name in ("initialization", "data_order")}
        layers = deletions(*trained({**changes, **seeds}), args.examples, args.weights, args.seed)
        both = {name: [value for columns in layers for value in columns[name]] for name in layers[0]}
        for which, columns in [("both layers", both), *((f"layer {n + 1}", c) for n, c in enumerate(layers))]:
            ranks = [f"{float(spearmanr(columns[name], columns['measured']).statistic):.2f}" for name in names]
            print(f"| {title} | {which} | {' | '.join(ranks)} |", flush=True)


if __name__ == "__main__":
    main()
