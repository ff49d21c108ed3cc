"""Iterative pruning of a stack: each member has its own times and its own sparsity, and counts are exact.

After step i of k the sparsity of a member is

    s_i = S · (i / k)^(1 / c)                       (Baktash et al. 2019, §3.2)

For example, with S = 0.97, k = 60 and c = 12, the first step removes 69 % of the weights, and step 30 has removed 92 %.
The pruning steps are spaced evenly, counted in optimization steps, from the end of `first_pruning_epoch` to the end of
`last_pruning_epoch`. The network is retrained between them and after the last one. After a step exactly round(s_i · n)
of n weights are removed: those of lowest saliency, and among equals the first ones. A removed weight stays removed. A
member that is stopped early is pruned to S immediately (`Pruner.finish`).

Axes: M members, D members that are due for pruning, W all weights of a member in one row.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from mdlray.compression.saliency import check_saliency, get_saliency
from mdlray.models import Family, Parameters
from mdlray.spec import CompressionSpec, TrialSpec
from mdlray.training import Examples, Masks
from mdlray.training.histograms import AFTER, BEFORE, Histograms, count_weights
from mdlray.training.isolation import Errors, without_failing


def sparsity_after(step: int, spec: CompressionSpec) -> float:
    """The fraction of the weights that is removed after pruning step 1 … k."""
    progress: float = (step / spec.num_pruning_steps) ** (1 / spec.pruning_exponent)
    return spec.pruning_ratio * progress


def pruning_times(spec: CompressionSpec, steps_per_epoch: int) -> dict[int, float]:
    """The number of optimization steps done -> the sparsity after pruning then.

    If several pruning steps fall on one optimization step, the last of them counts.
    """
    if spec.pruning_ratio == 0:
        return {}
    epochs = spec.last_pruning_epoch - spec.first_pruning_epoch
    intervals = max(spec.num_pruning_steps - 1, 1)
    first_step = spec.num_pruning_steps if spec.num_pruning_steps == 1 else 1
    return {
        max(
            1, round(steps_per_epoch * (spec.last_pruning_epoch - epochs * (spec.num_pruning_steps - i) / intervals))
        ): (sparsity_after(i, spec))
        for i in range(first_step, spec.num_pruning_steps + 1)
    }


class Pruner:
    """The hook of the training loop: it removes weights when a member is due, and keeps removed weights at zero.

    It has no state of its own. Masks, and the histograms of the weights around a member's last pruning step, belong to
    the state of training.
    """

    def __init__(self, family: Family, members: Sequence[TrialSpec], examples: Examples, steps_per_epoch: int):
        self.family = family
        self.examples = examples
        self.members = [spec.compression for spec in members]
        self.steps_per_epoch = steps_per_epoch
        self.due: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.last: list[int | None] = []
        """Per member the optimization step after which it is pruned for the last time; None if it is never pruned."""
        for member, spec in enumerate(self.members):
            get_saliency(spec.method)
            times = pruning_times(spec, steps_per_epoch)
            self.last.append(max(times, default=None))
            for time, sparsity in times.items():
                self.due[time].append((member, sparsity))

    def __call__(
        self,
        steps_done: int,
        stack: Sequence[int],
        parameters: Parameters,
        masks: Masks | None,
        histograms: Histograms,
        failed: Errors,
    ) -> Masks | None:
        """Prune the members of the stack that are due after `steps_done` optimization steps; zero all removed weights.

        If a member's saliency raises, its traceback goes into `failed`; it keeps its weights and is never pruned again.
        """
        place = {member: place for place, member in enumerate(stack) if member not in failed}
        due = [(place[member], sparsity) for member, sparsity in self.due.get(steps_done, []) if member in place]
        if due:
            masks = masks or [torch.ones_like(weight) for weight in self.family.weights(parameters)]
            last = [place for place, _ in due if self.last[stack[place]] == steps_done]
            self._count(BEFORE, steps_done, last, stack, parameters, masks, histograms)
            self._remove(due, stack, parameters, masks, failed)
            self._count(AFTER, steps_done, last, stack, parameters, masks, histograms)
        if masks is not None:
            self._silence(parameters, masks)
        return masks

    def finish(self, members: Sequence[int], parameters: Parameters, failed: Errors) -> None:
        """Prune these members to their final ratio immediately; `parameters` (changed in place) have all members."""
        members = [member for member in members if member not in failed]
        if members:
            masks = [(weight != 0).to(weight.dtype) for weight in self.family.weights(parameters)]
            due = [(member, self.members[member].pruning_ratio) for member in members]
            self._remove(due, range(len(self.members)), parameters, masks, failed)
            self._silence(parameters, masks)

    def _count(
        self,
        moment: str,
        steps_done: int,
        places: Sequence[int],
        stack: Sequence[int],
        parameters: Parameters,
        masks: Masks,
        histograms: Histograms,
    ) -> None:
        """Add histograms of the masked weights of the members at these places of the stack."""
        if not places:
            return
        chosen = torch.tensor(places, device=parameters[0].device)
        # The optimizer has just moved the weights that earlier pruning steps removed; the mask counts them as zero.
        stacked = self.family.weights(parameters)
        weights = [weight[chosen] * mask[chosen] for weight, mask in zip(stacked, masks, strict=True)]
        counted = count_weights(weights, moment, [steps_done / self.steps_per_epoch] * len(places))
        for place, counts in zip(places, counted, strict=True):
            histograms[stack[place]] += counts

    def _silence(self, parameters: Parameters, masks: Masks) -> None:
        for weight, mask in zip(self.family.weights(parameters), masks, strict=True):
            weight.mul_(mask)

    def _remove(
        self,
        due: Sequence[tuple[int, float]],
        stack: Sequence[int],
        parameters: Parameters,
        masks: Masks,
        failed: Errors,
    ) -> None:
        """Change the masks of the members that are due; `due` has (place in the stack, sparsity to reach) of each."""
        groups: dict[tuple[str, int, str], list[tuple[int, float]]] = defaultdict(list)
        for place, sparsity in due:
            spec = self.members[stack[place]]
            groups[spec.method, spec.saliency_examples, spec.scope].append((place, sparsity))
        for (method, num_examples, scope), group in groups.items():

            def new_masks(
                group: Sequence[tuple[int, float]], method: str = method, number: int = num_examples, scope: str = scope
            ) -> tuple[Tensor, Masks]:
                chosen = torch.tensor([place for place, _ in group], device=parameters[0].device)
                subset = [parameter[chosen] for parameter in parameters]
                saliency = get_saliency(method)(self.family, subset, self.examples, number)
                check_saliency(method, saliency, [mask[chosen] for mask in masks])
                return chosen, remove(saliency, [mask[chosen] for mask in masks], [s for _, s in group], scope)

            pruned, errors = without_failing(new_masks, group)
            failed.update({stack[group[position][0]]: error for position, error in errors.items()})
            if pruned is not None:
                chosen, rows = pruned
                for mask, new_mask in zip(masks, rows, strict=True):
                    mask[chosen] = new_mask


def remove(saliency: Parameters, masks: Masks, sparsities: Sequence[float], scope: str) -> Masks:
    """New masks (1 kept, 0 removed) in which exactly round(sparsities[d] · n) weights of member d are removed.

    Removed weights stay removed, even if a lower sparsity is asked for than the one that was reached.
    """
    groups = [list(range(len(masks)))] if scope == "global" else [[index] for index in range(len(masks))]
    new = [torch.empty_like(mask) for mask in masks]
    for group in groups:
        scores_DW = torch.cat([_ranked(saliency[i], masks[i]) for i in group], dim=1)
        kept_DW = _keep_highest(scores_DW, sparsities)
        widths = [masks[i][0].numel() for i in group]
        for i, part_DW in zip(group, torch.split(kept_DW, widths, dim=1), strict=True):
            new[i] = part_DW.view_as(masks[i]) * masks[i]
    return new


def _ranked(saliency: Tensor, mask: Tensor) -> Tensor:
    """The saliency with removed weights below everything else; a diverged member's NaN, which has no order, is next."""
    lowest = torch.finfo(torch.float32).min
    return torch.where(mask > 0, saliency.nan_to_num(nan=lowest, neginf=lowest), -torch.inf).flatten(1)


def _keep_highest(scores_DW: Tensor, sparsities: Sequence[float]) -> Tensor:
    # A stable sort: a threshold would remove too many weights if saliencies are equal, as those of dead units are.
    order_DW = scores_DW.argsort(dim=1, stable=True)
    num_weights = scores_DW.shape[1]
    removed_D1 = torch.tensor([[round(sparsity * num_weights)] for sparsity in sparsities], device=scores_DW.device)
    kept_by_rank_DW = torch.arange(num_weights, device=scores_DW.device) >= removed_D1
    return torch.zeros_like(scores_DW).scatter_(1, order_DW, kept_by_rank_DW.to(scores_DW.dtype))
