"""Orders: own, shared, complete, repeatable."""

import torch

from mdlray.training import Examples, epoch_batches, member_generator


def examples(members: int) -> Examples:
    pixels = torch.arange(100, dtype=torch.uint8)[:, None]
    return Examples(pixels, torch.arange(100).expand(members, -1), 0.0, 1 / 255)


def test_every_example_once_per_epoch() -> None:
    for seeds in ([4, 4], [4, 5]):
        batches = list(epoch_batches(examples(2), seeds, 1, 20))
        assert len(batches) == 5
        labels = torch.cat([labels for _, labels in batches], dim=1)
        assert torch.equal(labels.sort(dim=1).values, torch.arange(100).expand(2, -1))


def test_inputs_belong_to_their_labels_shared_or_not() -> None:
    for seeds, shape in (([4, 4], (30, 1)), ([4, 5], (2, 30, 1))):
        for inputs, labels in epoch_batches(examples(2), seeds, 3, 30):
            assert inputs.shape == shape
            assert torch.equal(inputs.expand(2, -1, -1)[..., 0].long(), labels)


def test_a_members_order_is_its_own() -> None:
    own = [labels[1] for _, labels in epoch_batches(examples(2), [4, 5], 2, 25)]
    alone = [labels[0] for _, labels in epoch_batches(examples(1), [5], 2, 25)]
    assert all(torch.equal(a, b) for a, b in zip(own, alone, strict=True))
    other_epoch = [labels[0] for _, labels in epoch_batches(examples(1), [5], 3, 25)]
    assert not torch.equal(alone[0], other_epoch[0])


def test_generators_differ_by_purpose_and_numbers() -> None:
    draws = {
        tuple(torch.randint(0, 2**31, (4,), generator=member_generator(*key)).tolist())
        for key in [("order", 1, 2), ("order", 1, 3), ("order", 12), ("dropout", 1, 2)]
    }
    assert len(draws) == 4


def test_of_members_takes_their_labels() -> None:
    data = Examples(torch.zeros(3, 1, dtype=torch.uint8), torch.arange(6).view(2, 3), 0.0, 1.0)
    assert data.of_members([1, 1, 0]).labels_MN.tolist() == [[3, 4, 5], [3, 4, 5], [0, 1, 2]]
