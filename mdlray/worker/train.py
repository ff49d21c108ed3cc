"""One stage of a pack: networks trained together on the data, or students fitted together to their teachers.

`TrainedStack` is what training leaves, and all that compressing and measuring its networks takes.
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
    """The pictures, and the labels of some networks, on the device."""

    images: Images
    splits: dict[str, Examples]
    """`train`, `validation` and `test`; their labels have one row per network."""
    label_changed_fractions: Sequence[float]
    """Of each network's training labels: those that randomization changed."""

    def of_networks(self, positions: Sequence[int]) -> "Data":
        """The same pictures with the labels of some of the networks."""
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
    """Positions of those that left early."""
    data: Data
    """With the labels of these networks."""

    def network_of(self, spec: TrialSpec) -> int | None:
        """Position of the network that this trial is about; None if it is not in this stack."""
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
    """The networks of a stage, trained; None where every teacher is lost.

    `data` has the labels of `networks`, those of round 0. Without `teachers` it is those that are trained.
    """
    if teachers is None:
        return _train_networks(stage.specs, data, halving, resume, after_epoch)
    students = teachers.with_teacher(stage.specs)
    if not students:
        return None
    position = {spec.training_key: number for number, spec in enumerate(networks)}
    their_data = data.of_networks([position[spec.lineage_key] for spec in students])
    return _train_students(students, teachers, their_data, resume, after_epoch)


def _train_networks(
    specs: Sequence[TrialSpec], data: Data, halving: Halving | None, resume: Resume, after_epoch: AfterEpoch | None
) -> TrainedStack:
    """Round 0: trained on the data, with pruning on the way. A member that was stopped early is pruned to its ratio."""
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
    """A later round: students of these teachers."""
    family, sizes = _network(specs[0], data.images)
    train, validation = data.splits["train"], data.splits["validation"]
    fitted = fit_students(family, sizes, specs, teachers, train, validation, resume, after_epoch)
    return TrainedStack(specs, family, sizes, fitted, [], data)


def _network(spec: TrialSpec, images: Images) -> tuple[Family, tuple[int, ...]]:
    family = get_family(spec.model.family)
    family.check_fields(spec.model)
    sizes = family.sizes(spec.network, images.pixels_NP.shape[1], images.num_classes)
    return family.for_sizes(sizes), sizes
