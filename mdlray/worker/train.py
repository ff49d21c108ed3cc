"""One stage of a pack: networks trained together on the data, or students fitted together to their teachers.

The result is a `TrainedStack`, which has everything that is needed to compress and to measure its networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from mdlray.compression import Pruner
from mdlray.data import Images
from mdlray.models import Family, get_family
from mdlray.planning import Halving
from mdlray.spec import TrialSpec
from mdlray.training import Examples, Fitted, State, fit, num_batches, place_splits
from mdlray.training.students import Stage, Teachers, fit_students

Resume = Callable[[Sequence[TrialSpec]], State | None]
AfterEpoch = Callable[[State], None]


@dataclass(frozen=True)
class Data:
    """The images on the device, with the labels of some networks."""

    images: Images
    splits: dict[str, Examples]
    """`train`, `validation` and `test`; the labels of a split have one row per network."""
    label_changed_fractions: Sequence[float]
    """For each network, the fraction of its training labels that randomization changed."""

    def of_networks(self, positions: Sequence[int]) -> "Data":
        """The same images with the labels of the networks at these positions."""
        splits = {name: split.of_members(positions) for name, split in self.splits.items()}
        return Data(self.images, splits, [self.label_changed_fractions[position] for position in positions])


@dataclass(frozen=True)
class TrainedStack:
    """Networks that were trained together."""

    specs: Sequence[TrialSpec]
    family: Family
    sizes: tuple[int, ...]
    fitted: Fitted
    stopped: Sequence[int]
    """Positions of the networks that were stopped early."""
    data: Data
    """The images, with the labels of these networks."""

    def network_of(self, spec: TrialSpec) -> int | None:
        """Position of the trial's network; None if it is not in this stack."""
        keys = [network.training_key for network in self.specs]
        return keys.index(spec.training_key) if spec.training_key in keys else None


def load_data(images: Images, networks: Sequence[TrialSpec], device: torch.device) -> Data:
    """The images on the device, with the labels of each network."""
    return Data(images, *place_splits(images, networks, device))


def train_stage(
    stage: Stage,
    networks: Sequence[TrialSpec],
    teachers: Teachers | None,
    data: Data,
    halving: Halving | None,
    resume: Resume,
    after_epoch: AfterEpoch | None,
) -> TrainedStack | None:
    """Train the networks of a stage; returns None if all their teachers failed.

    `networks` are the networks of round 0 of the pack, and `data` has their labels. In the first stage they are the
    networks that are trained, and `teachers` is None.
    """
    if teachers is None:
        return _train_networks(stage.specs, data, halving, resume, after_epoch)
    students = teachers.with_teacher(stage.specs)
    if not students:
        return None
    position = {spec.training_key: number for number, spec in enumerate(networks)}
    student_data = data.of_networks([position[spec.lineage_key] for spec in students])
    return _train_students(students, teachers, student_data, resume, after_epoch)


def _train_networks(
    specs: Sequence[TrialSpec], data: Data, halving: Halving | None, resume: Resume, after_epoch: AfterEpoch | None
) -> TrainedStack:
    """Train networks of round 0 on the data, and prune them during the training.

    A network that is stopped early is pruned to its final ratio immediately.
    """
    training, splits = specs[0].training, data.splits
    family, sizes = _network(specs[0], data.images)
    pruner = Pruner(family, specs, splits["train"], num_batches(data.images.num_train, training.batch_size))
    fitted = fit(
        family,
        sizes,
        specs,
        splits["train"],
        splits["validation"],
        pruner,
        halving=halving,
        begin=resume(specs),
        after_epoch=after_epoch,
    )
    stopped = [member for member, epochs in enumerate(fitted.trained_epochs) if epochs < training.num_epochs]
    pruner.finish(stopped, fitted.parameters, fitted.failed)
    return TrainedStack(specs, family, sizes, fitted, stopped, data)


def _train_students(
    specs: Sequence[TrialSpec], teachers: Teachers, data: Data, resume: Resume, after_epoch: AfterEpoch | None
) -> TrainedStack:
    """Fit students of a later round to their teachers."""
    family, sizes = _network(specs[0], data.images)
    train, validation = data.splits["train"], data.splits["validation"]
    fitted = fit_students(family, sizes, specs, teachers, train, validation, resume, after_epoch)
    return TrainedStack(specs, family, sizes, fitted, [], data)


def _network(spec: TrialSpec, images: Images) -> tuple[Family, tuple[int, ...]]:
    family = get_family(spec.model.family)
    family.check_fields(spec.model)
    sizes = family.sizes(spec.network, images.pixels_NP.shape[1], images.num_classes)
    return family.for_sizes(sizes), sizes
