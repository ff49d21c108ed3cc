"""Orders: own, shared, complete, repeatable."""

import pytest
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


def test_torch_looks_at_the_low_half_of_a_seed() -> None:
    """Why two streams may be equal by accident, as `member_generator` says."""
    numbers = [torch.rand(5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1 + 2**32, 2)]
    assert torch.equal(numbers[0], numbers[1]) and not torch.equal(numbers[0], numbers[2])


def moved(max_shift: int, seeds: list[int], epoch: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of pictures of 5 x 5 with one white pixel, the label's."""
    pixels = 255 * torch.eye(25, dtype=torch.uint8)
    data = Examples(pixels, torch.arange(25).expand(len(seeds), -1), 0.0, 1.0, max_shift)
    return list(epoch_batches(data, seeds, epoch, 25))


def test_pictures_move_by_at_most_so_many_pixels_and_black_comes_in() -> None:
    shifts = set()
    for epoch in range(30):
        ((inputs, labels),) = moved(2, [3], epoch)
        for picture, label in zip(inputs.view(-1, 5, 5), labels[0].tolist(), strict=True):
            lit = picture.nonzero().tolist()
            assert len(lit) <= 1 and set(picture.unique().tolist()) <= {0.0, 1.0}
            shifts |= {(y - label // 5, x - label % 5) for y, x in lit}
    assert shifts == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_shifts_are_a_members_own_and_none_where_none_are_asked_for() -> None:
    ((own, _),), ((alone, _),), ((other, _),) = moved(1, [4, 5]), moved(1, [5]), moved(1, [5], epoch=2)
    assert torch.equal(own[1], alone) and not torch.equal(own[0], own[1]) and not torch.equal(alone, other)
    ((still, labels),) = moved(0, [5])
    assert torch.equal(still.argmax(1), labels[0])


def test_pictures_that_are_no_squares_do_not_move() -> None:
    with pytest.raises(ValueError, match="6 pixels are no squares; set it to 0"):
        list(epoch_batches(Examples(torch.zeros(4, 6, dtype=torch.uint8), torch.zeros(1, 4), 0.0, 1.0, 1), [0], 1, 2))


def test_generators_differ_by_purpose_and_numbers() -> None:
    draws = {
        tuple(torch.randint(0, 2**31, (4,), generator=member_generator(*key)).tolist())
        for key in [("order", 1, 2), ("order", 1, 3), ("order", 12), ("dropout", 1, 2)]
    }
    assert len(draws) == 4


def test_of_members_takes_their_labels() -> None:
    data = Examples(torch.zeros(3, 1, dtype=torch.uint8), torch.arange(6).view(2, 3), 0.0, 1.0)
    assert data.of_members([1, 1, 0]).labels_MN.tolist() == [[3, 4, 5], [3, 4, 5], [0, 1, 2]]
