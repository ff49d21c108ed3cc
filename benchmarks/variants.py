"""How hard is each variant of MNIST, beside the literature, and how many test patches has a network seen in training?

    python benchmarks/variants.py --data DIR [--variants plain rotation] [--seeds 3] [--epochs 20] [--widths 100 400]

As in Larochelle et al. (2007), a network with one hidden layer learns from 10,000 examples and is tested on 50,000. Of
the given widths and three strengths of L2, the network with the smallest error on 2,000 validation examples is chosen.
The seed decides which examples these are.

For the variants with photographs the second table gives the share of test pictures, in split `study`, whose patch lies
at most 0, 1 or 2 pixels away, in each direction, from the patch of a training picture.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mdlray.data import BaseImages, Images, find_reader
from mdlray.data.backgrounds import sample_photographs
from mdlray.data.images import split_order
from mdlray.data.randomization import mean_and_std
from mdlray.data.variants import SPLIT_VARIANTS, VARIANTS
from mdlray.models import get_family
from mdlray.spec import TrialSpec, replace_fields
from mdlray.training import evaluate, fit, place_splits

SIZES = (10_000, 2_000, 50_000)
STRENGTHS = (1e-4, 1e-3, 1e-2)
PRINTED = {"plain": 4.69, "rotation": 18.11, "background_random": 20.04, "background_images": 27.41}
"""Test errors in % of the networks with one hidden layer (NNet) of Larochelle et al. (2007)."""

Pixels = NDArray[np.uint8]


def make_variant(name: str, images_NHW: Pixels, split_N: NDArray[np.int8]) -> Pixels:
    """The images as the variant shows them; `split_N` is 0 for train, 1 for validation, 2 for test and -1 for none."""
    if name in SPLIT_VARIANTS:
        return SPLIT_VARIANTS[name](images_NHW, split_N)
    return VARIANTS[name](images_NHW, sample_photographs)


def split_numbers(order: NDArray[np.intp], sizes: tuple[int, int, int], num_examples: int) -> NDArray[np.int8]:
    """Which split each example of the base is in, of those that `order` names one after the other."""
    split_N = np.full(num_examples, -1, np.int8)
    split_N[order] = np.repeat(np.arange(3), sizes)
    return split_N


def load(name: str, base: BaseImages, seed: int) -> Images:
    """The variant with the sizes of Larochelle et al.; the seed draws the examples."""
    order = np.random.default_rng(seed).permutation(len(base.labels_N))[: sum(SIZES)]
    images_NHW = base.pixels_NP.reshape(-1, *base.image_shape)
    pixels_NP = make_variant(name, images_NHW, split_numbers(order, SIZES, len(images_NHW))).reshape(-1, 784)[order]
    mean, std = mean_and_std(pixels_NP[: SIZES[0]])
    return Images(
        name=name,
        pixels_NP=pixels_NP,
        labels_N=base.labels_N[order],
        num_train=SIZES[0],
        num_validation=SIZES[1],
        num_test=SIZES[2],
        num_classes=10,
        image_shape=base.image_shape,
        mean=mean / 255,
        std=std / 255,
        checksum="",
    )


def errors(images: Images, widths: Sequence[int], seed: int, num_epochs: int) -> tuple[float, float, str]:
    """Validation and test error in % of the network with the smallest validation error, and which network it is."""
    results = []
    for width in widths:
        specs = [
            replace_fields(
                TrialSpec(),
                {
                    "model.hidden_units": (width,),
                    "training.num_epochs": num_epochs,
                    "training.optimizer": "sgd",
                    "training.learning_rate": 0.05,
                    "training.regularizer": "l2",
                    "training.regularizer_strength": strength,
                    "seeds.initialization": seed,
                    "seeds.data_order": seed,
                },
            )
            for strength in STRENGTHS
        ]
        splits, _ = place_splits(images, specs, torch.device("cpu"))
        family = get_family("dense")
        fitted = fit(family, (784, width, 10), specs, splits["train"], splits["validation"], lambda *_: None)
        accuracies = [evaluate(family, fitted.parameters, splits[name]).accuracy_M for name in ("validation", "test")]
        for strength, validation, test in zip(STRENGTHS, *accuracies, strict=True):
            label = f"{width} units, L2 {strength:g}"
            results.append((100 * (1 - float(validation)), 100 * (1 - float(test)), label))
    return min(results)


def share_seen(name: str, base: BaseImages, pixels_away: int) -> float:
    """Share in % of the test pictures of split `study` with a patch at most so far from a training picture's patch."""
    sizes, order = split_order("mnist", base, "study")
    split_N = split_numbers(order, sizes, len(base.labels_N))
    # A variant of black pictures is the patches themselves.
    patches_NHW = make_variant(name, np.zeros((len(split_N), *base.image_shape), np.uint8), split_N)
    height, width = (size - 2 * pixels_away for size in base.image_shape)
    seen = {
        patch_HW[top : top + height, left : left + width].tobytes()
        for patch_HW in patches_NHW[split_N == 0]
        for top in range(2 * pixels_away + 1)
        for left in range(2 * pixels_away + 1)
    }
    inner = slice(pixels_away, pixels_away + height), slice(pixels_away, pixels_away + width)
    test_NHW = patches_NHW[split_N == 2]
    return 100 * sum(patch_HW[inner].tobytes() in seen for patch_HW in test_NHW) / len(test_NHW)


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*VARIANTS, *SPLIT_VARIANTS]
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST in torchvision's layout")
    parser.add_argument("--variants", nargs="+", choices=known, default=known)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--widths", nargs="+", type=int, default=[100], help="units of the hidden layer")
    options = parser.parse_args()
    base = find_reader("mnist")(options.data)

    print("| variant | validation error (%) | test error (%) | chosen | NNet, Larochelle et al. 2007 (%) |")
    print("| --- | ---: | ---: | --- | ---: |")
    for name in options.variants:
        found = [errors(load(name, base, seed), options.widths, seed, options.epochs) for seed in range(options.seeds)]
        validation, test = (np.array([result[part] for result in found], float) for part in range(2))
        chosen = "; ".join(dict.fromkeys(label for _, _, label in found))
        print(
            f"| {name} | {validation.mean():.2f} ± {validation.std():.2f} | {test.mean():.2f} ± {test.std():.2f} | "
            f"{chosen} | {PRINTED.get(name, '–')} |",
            flush=True,
        )

    print("\n| variant | same patch (%) | at most 1 pixel away (%) | at most 2 pixels away (%) |")
    print("| --- | ---: | ---: | ---: |")
    for name in options.variants:
        if name in ("background_images", "background_photographs"):
            shares = [f"{share_seen(name, base, pixels_away):.1f}" for pixels_away in range(3)]
            print(f"| {name} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
