"""What do students take over from their teachers on noise, beyond what a constant answer takes over?

    python benchmarks/students_on_noise.py results/reference/shrink_students [--data DIR]

A teacher may answer one class on nearly all noise pictures. Then any student agrees with it, and learns nothing about
digits of the other classes. So each student is compared with its teacher on the very pictures that it was fitted to,
and both with the best constant answer (`constant_answers.py` has the definitions and an example).

A class is *elicited* where it is more than 1 % of the teacher's answers. Accuracies are split into digits of elicited
and of other classes; `elicited_digits` is the share of the former among the test digits. A student that answers
elicited classes only reaches no more than that. Chance is one in the number of classes C:
above chance = (accuracy - 1/C) / (1 - 1/C), kept = (accuracy - 1/C) / (accuracy of round 0 - 1/C).
Training accuracies are on the labels that the network of round 0 was trained on, true or random.

A student that begins with its teacher's largest units has accuracy before its fit: `start_test_accuracy` and
`start_train_accuracy`, of those units of the decoded teacher. For others they are missing.

The networks are those of the `.mdl` files. In training, teacher and student were float32 networks that had not been
quantized yet; the difference is part of what is compared here. A student whose teacher has no file is left out.

The script writes figures/students_on_noise.parquet and .csv, with one row per student, and
figures/students_on_noise_classes.parquet and .csv, with one row per student and class. It prints means over repetitions
per round, then compares true with random labels in paired tests over repetitions.

Axes: N pictures, C classes.
"""

import argparse
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from constant_answers import accuracies, compare, shares
from scipy.stats import ttest_rel
from torch import Tensor

import mdlray
from mdlray.data import load_images, randomize_labels
from mdlray.models import Network, build_network, get_family
from mdlray.spec import TrialSpec, from_dict, replace_fields
from mdlray.training.students import largest_units, noise

ELICITED = 0.01
"""Least share of a teacher's answers that makes a class an elicited one."""
MOST_DIFFERENCE = 1e-3
"""Between a test accuracy measured here and the one in the row: what rounding on another machine may change."""
STARTS = ("start_test_accuracy", "start_train_accuracy")
SETTING = ["ancestor", "student_strategy", "label_randomization_fraction"]
SHOWN = {
    "constant_agreement": "best constant",
    "agreement": "agreement",
    "agreement_above_constant": "above constant",
    "nats_ratio": "nats ratio",
    "elicited_digits": "elicited digits",
    "test_accuracy": "test",
    "test_accuracy_elicited": "test, elicited",
    "test_accuracy_other": "test, others",
    "train_accuracy": "training",
    "train_kept": "training, kept",
    "start_train_accuracy": "training, before the fit",
}
Row = dict[str, Any]


def teacher_of(spec: TrialSpec) -> TrialSpec:
    """The network that a student was fitted to."""
    number = spec.student.round
    return replace_fields(spec, {"student.round": number - 1}) if number > 1 else spec.ancestor


@torch.no_grad()
def logits(network: Network, pixels_NP: Tensor) -> Tensor:
    """What a network says of the pictures."""
    return torch.cat([network(chunk) for chunk in pixels_NP.split(2000)])


@torch.no_grad()
def begun(teacher: Network, spec: TrialSpec) -> Network:
    """The student before its fit, where it begins with its teacher's largest units."""
    sizes = teacher.family.sizes(spec.network, teacher.sizes[0], teacher.sizes[-1])
    stacked = largest_units(teacher.family, sizes, [parameter[None] for parameter in teacher.weights])
    return build_network(get_family(spec.model.family), sizes, [p[0] for p in stacked], teacher.mean, teacher.std)


@dataclass(frozen=True)
class Digits:
    """The pictures of one lineage, and the labels that its network of round 0 was trained on."""

    train_NP: Tensor
    train_N: Tensor
    test_NP: Tensor
    test_N: Tensor
    num_classes: int

    def right(self, network: Network) -> tuple[Tensor, Tensor]:
        """Whether each test and each training picture gets its label."""
        asked = ((self.test_NP, self.test_N), (self.train_NP, self.train_N))
        return tuple(logits(network, pixels_NP).argmax(1) == labels_N for pixels_NP, labels_N in asked)


def digits_of(first: TrialSpec, data: Path | None) -> Digits:
    """What a network of round 0 was trained and tested on."""
    images = load_images(first.data, first.seeds.randomization, data)
    train_NP, test_NP = (torch.tensor(images.pixels_NP[split]) for split in (images.train, images.test))
    fraction, seed = first.data.label_randomization_fraction, first.seeds.randomization
    labels_N, _ = randomize_labels(images.labels_N[images.train], fraction, seed, images.num_classes)
    test_N = torch.tensor(images.labels_N[images.test]).long()
    return Digits(train_NP, torch.tensor(labels_N).long(), test_NP, test_N, images.num_classes)


def measure_lineage(folder: Path, members: list[TrialSpec], digits: Digits) -> tuple[list[Row], list[pd.DataFrame]]:
    """One row, and one frame of classes, per student of one network of round 0; the networks are decoded here."""

    @cache
    def pictures(inputs: str, noise_seed: int) -> Tensor:
        return digits.train_NP if inputs == "true" else noise(noise_seed, digits.train_NP)

    @cache
    def decoded(trial_id: str) -> Network:
        return mdlray.decode(folder / "models" / f"{trial_id}.mdl")

    @cache
    def answers(trial_id: str, inputs: str, noise_seed: int) -> Tensor:
        return logits(decoded(trial_id), pictures(inputs, noise_seed))

    chance = 1 / digits.num_classes
    first_accuracy = float(digits.right(decoded(members[0].ancestor.trial_id))[1].double().mean())
    rows, classes = [], []
    for spec in members:
        teacher = teacher_of(spec).trial_id
        asked = (spec.student.inputs, spec.student.noise_seed)
        row, by_class = student_row(
            spec, digits, decoded(spec.trial_id), answers(teacher, *asked), answers(spec.trial_id, *asked)
        )
        row["teacher_id"] = teacher
        row["train_kept"] = (row["train_accuracy"] - chance) / (first_accuracy - chance)
        if spec.student.start == "largest":
            before = digits.right(begun(decoded(teacher), spec))
            row |= {name: float(right_N.double().mean()) for name, right_N in zip(STARTS, before, strict=True)}
        rows.append(row)
        classes.append(by_class)
    return rows, classes


def student_row(
    spec: TrialSpec, digits: Digits, network: Network, teacher_NC: Tensor, student_NC: Tensor
) -> tuple[Row, pd.DataFrame]:
    """A student's comparison with its teacher, its accuracies on digits, and both by class."""
    answered_C = shares(teacher_NC.argmax(1), digits.num_classes)
    elicited_C, digits_C = answered_C > ELICITED, shares(digits.test_N, digits.num_classes)
    test_right_N, train_right_N = digits.right(network)
    row = {
        "trial_id": spec.trial_id,
        "ancestor": spec.ancestor.network.architecture,
        "student_strategy": spec.student.strategy,
        "label_randomization_fraction": spec.data.label_randomization_fraction,
        "seed": spec.seeds.initialization,
        "student_round": spec.student.round,
        "num_pictures": len(teacher_NC),
        "num_elicited_classes": int(elicited_C.sum()),
        **compare(teacher_NC, student_NC),
        "elicited_digits": float(digits_C[elicited_C].sum()),
        **accuracies("test", test_right_N, digits.test_N, elicited_C),
        **accuracies("train", train_right_N, digits.train_N, elicited_C),
    }
    by_class = {
        "class": range(digits.num_classes),
        "teacher_share": answered_C,
        "student_share": shares(student_NC.argmax(1), digits.num_classes),
        "test_share": digits_C,
        "test_accuracy": [float(test_right_N[digits.test_N == c].double().mean()) for c in range(digits.num_classes)],
    }
    return row, pd.DataFrame({"trial_id": spec.trial_id} | by_class)


def measure(folder: Path, data: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table with one row per student, and the one with one row per student and class.

    ValueError where there is no student with a teacher, and where the pictures in `data` cannot be those of the rows,
    because decoded networks have another test accuracy on them.
    """
    trials = mdlray.load(folder).query("status == 'ok'").set_index("trial_id")
    specs = {trial_id: from_dict(json.loads(text)) for trial_id, text in trials["spec"].items()}
    lineages: dict[str, list[TrialSpec]] = {}
    for spec in specs.values():
        if spec.student.round and {teacher_of(spec).trial_id, spec.ancestor.trial_id} <= specs.keys():
            lineages.setdefault(spec.ancestor.trial_id, []).append(spec)
    if not lineages:
        raise ValueError(f"{folder} has no student with its teacher; give a folder of the sweep shrink_students.")
    rows, classes = [], []
    for members in lineages.values():
        more_rows, more_classes = measure_lineage(folder, members, digits_of(members[0].ancestor, data))
        rows += more_rows
        classes += more_classes
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*rows[0], *STARTS])))
    difference = (frame.set_index("trial_id")["test_accuracy"] - trials["test_accuracy"]).abs()
    if difference.max() > MOST_DIFFERENCE:
        raise ValueError(
            f"trial {difference.idxmax()} has another test accuracy on the pictures in {data} than in its row, by "
            f"{difference.max():.4f}; give the data that the rows were made with (--data DIR)."
        )
    return frame.sort_values([*SETTING, "student_round", "seed"], ignore_index=True), pd.concat(classes)


def summary(table: pd.DataFrame) -> str:
    """Means per round as a Markdown table, and paired tests of true against random labels over repetitions."""
    head = ["units", "strategy", "random labels", "round", "n", *SHOWN.values()]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * 2 + " ---: |" * (len(head) - 2)]
    for (ancestor, way, fraction, number), group in table.groupby([*SETTING, "student_round"]):
        means = [f"{group[name].mean():.4f}" for name in SHOWN]
        lines.append(f"| {' | '.join([ancestor, way, f'{fraction:g}', f'{number}', f'{len(group)}', *means])} |")
    lines += ["", "Means over rounds, by repetition; paired t over repetitions:", ""]
    for (ancestor, way), group in table.groupby(SETTING[:2]):
        for name in ("agreement_above_constant", "nats_ratio", "test_above_chance", "train_kept"):
            by_label = group.groupby(["label_randomization_fraction", "seed"])[name].mean().unstack(0)
            if by_label.shape[1] == 2:
                lines.append(f"- {ancestor}, {way}, {name}: {_verdict(by_label.dropna())}")
    return "\n".join(lines)


def _verdict(by_label: pd.DataFrame) -> str:
    true, random = (by_label[column] for column in by_label)
    text = " against ".join(" / ".join(f"{value:.4f}" for value in values) for values in (true, random))
    if len(by_label) < 2:
        return f"{text}; {len(by_label)} repetition, no test"
    test = ttest_rel(true, random)
    low, high = test.confidence_interval()
    return f"{text}; difference {low:.4f} to {high:.4f} (95 %), p = {test.pvalue:.2g}, {len(by_label)} repetitions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of finished trials and their .mdl files")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MDLRAY_DATA", "data")), help="the data sets")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tables = measure(args.folder, args.data)
    (args.folder / "figures").mkdir(exist_ok=True)
    for name, table in zip(("students_on_noise", "students_on_noise_classes"), tables, strict=True):
        table.to_parquet(args.folder / "figures" / f"{name}.parquet", index=False)
        table.to_csv(args.folder / "figures" / f"{name}.csv", index=False, float_format="%.6g")
    print(summary(tables[0]))


if __name__ == "__main__":
    main()
