import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from wayfarer_policies.algorithms.normalizer import RunningMoments, Whitening


def test_moments_of_a_hand_computed_case() -> None:
    moments = RunningMoments(())
    moments.update(torch.tensor([1.0, 3.0]))
    moments.update(torch.tensor([8.0]))
    assert float(moments.mean) == pytest.approx(4.0)
    assert float(moments.std) == pytest.approx((26 / 3) ** 0.5)  # (9 + 1 + 16) / 3
    assert float(moments.count) == 3


@settings(max_examples=50)
@given(
    batches=st.lists(
        st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=7), min_size=1, max_size=6
    ),
)
def test_batches_add_up_to_the_moments_of_all_values(batches: list[list[float]]) -> None:
    moments = RunningMoments((2,))
    rows = [
        torch.tensor([[value, 2 * value] for value in batch], dtype=torch.float64)
        for batch in batches
    ]
    for row in rows:
        moments.update(row)

    together = torch.cat(rows)
    assert torch.allclose(moments.mean, together.mean(dim=0), atol=1e-6)
    assert torch.allclose(moments.std, together.std(dim=0, correction=0), atol=1e-4)


def test_whitening_is_per_pixel_and_clipped() -> None:
    whitening = Whitening((1, 1, 2), clip=5.0, floor=1.0)
    # means 20, 100; stds 10, 0
    whitening.update(torch.tensor([[[[10, 100]]], [[[30, 100]]]], dtype=torch.uint8))
    whitened = whitening(torch.tensor([[[[35, 103]]], [[[255, 0]]]], dtype=torch.uint8))
    # a still pixel counts as std 1
    assert whitened.flatten().tolist() == pytest.approx([1.5, 3.0, 5.0, -5.0])


def test_nothing_seen_yet_maps_grey_levels_onto_one() -> None:
    whitened = Whitening((1, 1, 3))(torch.tensor([[[[0, 127, 255]]]], dtype=torch.uint8))
    assert whitened.flatten().tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=0.01)


def test_statistics_are_saved_with_the_weights() -> None:
    one, other = Whitening((1, 2, 2)), Whitening((1, 2, 2))
    one.update(torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2))
    other.load_state_dict(one.state_dict())
    image = torch.full((1, 1, 2, 2), 7, dtype=torch.uint8)
    assert torch.equal(one(image), other(image))
