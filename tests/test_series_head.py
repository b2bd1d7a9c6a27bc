"""A head over the series: what it sees, its place in the artefact, and its file."""

import io
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.architecture.series_head import (
    SERIES_HEAD_FILE,
    FittedHead,
    SeriesHead,
    attach_series_head,
    averaging_head,
    neighbour_average,
    places,
    read_series_head,
)
from model.errors import TrainingError
from model.exporting.torchscript import network_bytes, script
from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec
from model.preprocess import neighbours

SIZE = 16


def one_series(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(count, SIZE, generator=generator)
    logits = torch.randn(count, len(LABELS), generator=generator)
    return embeddings, logits, torch.arange(count) * 5.0


def speaking_head() -> SeriesHead:
    """A head that says something, unlike a fresh one."""
    torch.manual_seed(0)
    head = SeriesHead(SIZE, hidden=8).eval()
    torch.nn.init.normal_(head.correction.weight)
    return head


def test_a_fresh_head_adds_nothing() -> None:
    embeddings, logits, z_mm = one_series(5)

    assert torch.equal(SeriesHead(SIZE).eval()(embeddings, logits, z_mm), logits)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_series_of_any_length_is_corrected(count: int) -> None:
    embeddings, logits, z_mm = one_series(count)

    corrected = speaking_head()(embeddings, logits, z_mm)

    assert corrected.shape == logits.shape
    assert torch.isfinite(corrected).all()
    assert not torch.equal(corrected, logits)


def test_a_slice_is_judged_by_its_neighbours() -> None:
    embeddings, logits, z_mm = one_series(5)
    changed = embeddings.clone()
    changed[4] += 3 * torch.linspace(-1, 1, SIZE)

    before, after = (speaking_head()(seen, logits, z_mm) for seen in (embeddings, changed))

    assert (before[3] - after[3]).abs().max() > 1e-3


def test_series_trained_together_do_not_see_each_other_nor_padding() -> None:
    head = speaking_head()
    batch = [one_series(count, seed=count) for count in (3, 1, 7)]

    together = torch.split(head.corrections(batch), [3, 1, 7])

    for (embeddings, logits, z_mm), correction in zip(batch, together, strict=True):
        assert torch.allclose(head(embeddings, logits, z_mm), logits + correction, atol=1e-5)


def test_a_blend_of_0_keeps_a_label_as_it_is() -> None:
    head = speaking_head()
    head.blend.copy_(torch.tensor([1, 0, 0.5, 1, 1, 1]))
    embeddings, logits, z_mm = one_series(4)

    corrected = head(embeddings, logits, z_mm)

    assert torch.equal(corrected[:, 1], logits[:, 1])
    full = head.corrections([(embeddings, logits, z_mm)])
    assert torch.allclose(corrected[:, 2] - logits[:, 2], 0.5 * full[:, 2], atol=1e-6)


def test_lengths_that_do_not_match_are_refused() -> None:
    embeddings, logits, z_mm = one_series(4)

    with pytest.raises(ValueError, match="one entry a slice"):
        speaking_head()(embeddings, logits, z_mm[:3])


def test_places_are_positions_and_distances_in_centimetres() -> None:
    found = places(torch.tensor([10.0, 15.0, 15.0, 60.0]))

    assert found[:, 0].tolist() == pytest.approx([0, 0.1, 0.1, 1])
    assert found[:, 1].tolist() == pytest.approx([0, 0.5, 0, 2])
    assert found[:, 2].tolist() == pytest.approx([0.5, 0, 2, 0])


@pytest.mark.parametrize("z_mm", [[0.0, float("nan"), 10.0], [7.0, 7.0, 7.0]])
def test_without_positions_slices_count_as_evenly_spaced(z_mm: list[float]) -> None:
    assert torch.equal(places(torch.tensor(z_mm)), places(torch.tensor([0.0, 5.0, 10.0])))


def test_logits_are_averaged_by_distance() -> None:
    logits = torch.tensor([[0.0], [0.0], [1.0], [0.0]])
    z_mm = torch.tensor([0.0, 5.0, 10.0, 40.0])

    found = neighbour_average(logits, z_mm, torch.tensor([5.0])).flatten()

    near, far = math.exp(-0.5), math.exp(-2)
    assert found.tolist() == pytest.approx(
        [far / (1 + near + far), near / (1 + 2 * near), 1 / (1 + near + far), 0], abs=1e-6
    )


def test_each_label_has_its_width_and_0_leaves_it() -> None:
    _, logits, _ = one_series(4)
    z_mm = torch.tensor([0.0, 5.0, 5.0, 15.0])  # two slices at one place
    widths = torch.tensor([3.0, 0.0, 6.0, 0.0, 0.0, 3.0])

    found = neighbour_average(logits, z_mm, widths)

    for i, width in enumerate(widths):
        alike = neighbour_average(logits, z_mm, width.repeat(len(LABELS)))[:, i]
        assert torch.allclose(found[:, i], alike)
    assert torch.equal(found[:, [1, 3, 4]], logits[:, [1, 3, 4]])
    assert torch.equal(neighbour_average(logits, z_mm, torch.zeros(6)), logits)


def test_averaged_slices_are_what_is_corrected() -> None:
    embeddings, logits, z_mm = one_series(6)
    head, wide = speaking_head(), speaking_head()
    wide.widths_mm.fill_(5.0)
    averaged = neighbour_average(logits, z_mm, torch.full((6,), 5.0))

    assert torch.equal(wide(embeddings, logits, z_mm), head(embeddings, averaged, z_mm))
    wide.blend.zero_()
    assert torch.equal(wide(embeddings, logits, z_mm), averaged)
    assert torch.equal(wide(embeddings[:1], logits[:1], z_mm[:1]), logits[:1])


@pytest.mark.parametrize("slices_per_input", [1, 3])
def test_the_artefact_holds_the_head(slices_per_input: int) -> None:
    torch.manual_seed(0)
    network = HemorrhageNetwork(NetworkSpec("test_resnet", 32, slices_per_input)).eval()
    head = SeriesHead(network.embedding_size).eval()
    torch.nn.init.normal_(head.correction.weight)
    head.widths_mm.fill_(4.5)
    network.series_head = head
    generator = torch.Generator().manual_seed(1)
    hu = torch.randint(-100, 100, (5, 40, 40), generator=generator).to(torch.int16)
    z_mm = torch.arange(5) * 5.0
    with torch.inference_mode():
        expected, _ = network(hu, z_mm)

    content = io.BytesIO(network_bytes(script(network)))
    artefact = torch.jit.load(content).float()  # type: ignore[no-untyped-call]

    with torch.inference_mode():
        embeddings, alone, _ = artefact.encode(neighbours(hu, slices_per_input))
        combined = artefact.combine(embeddings, alone, z_mm)
        found, _ = artefact(hu, z_mm)
        single, _ = artefact(hu[:1], z_mm[:1])
    assert torch.equal(found, combined)
    assert torch.allclose(found, expected, atol=0.05)
    assert not torch.allclose(found, alone, atol=0.05)
    assert single.shape == (1, len(LABELS))


@pytest.fixture
def network() -> HemorrhageNetwork:
    return HemorrhageNetwork(NetworkSpec("test_resnet", 32)).eval()


def test_a_head_of_other_weights_is_not_attached(network: HemorrhageNetwork) -> None:
    head = SeriesHead(network.embedding_size)
    fitted = FittedHead(head.state_dict(), head.embedding_size, head.hidden, "these weights", {})

    assert not attach_series_head(network, fitted, "other weights")
    assert attach_series_head(network, fitted, "these weights")
    assert isinstance(network.series_head, SeriesHead)


@pytest.mark.parametrize("content", [b"", b"no head"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SERIES_HEAD_FILE).write_bytes(content)

    with pytest.raises(TrainingError, match=r"series_head\.pt is no series head"):
        read_series_head(tmp_path / SERIES_HEAD_FILE)


def test_two_heads_that_average_alike_are_alike() -> None:
    first, second = (averaging_head(4, [4.5] * 6, [0.1] * 6).state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)
