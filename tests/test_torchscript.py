"""The network as TorchScript: the same answers, the same bytes, and no trace of who compiled it."""

import hashlib
import io
import zipfile

import torch

from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec

SPEC = NetworkSpec("test_resnet", 64)


def slices(count: int, rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randint(-1000, 1000, (count, rows, columns), generator=generator).to(torch.int16)


def test_the_script_is_the_network_for_every_number_and_shape_of_slices() -> None:
    torch.manual_seed(0)
    network = HemorrhageNetwork(SPEC).eval()
    inputs = [slices(1, 64, 64), slices(3, 96, 96), slices(2, 80, 50)]
    with torch.inference_mode():
        expected = [network(hu, torch.zeros(len(hu))) for hu in inputs]

    content = io.BytesIO(network_bytes(script(network)))
    scripted = torch.jit.load(content).float()  # type: ignore[no-untyped-call]

    for hu, (logits, heat) in zip(inputs, expected, strict=True):
        found_logits, found_heat = scripted(hu, torch.zeros(len(hu)))
        # Weights are rounded to half precision: 11 bits.
        assert torch.allclose(found_logits, logits, atol=0.02)
        assert torch.allclose(found_heat, heat, atol=0.05)


def test_the_same_module_gives_the_same_bytes() -> None:
    scripted = script(HemorrhageNetwork(SPEC))

    first, second = (network_bytes(scripted) for _ in range(2))

    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_the_file_names_no_path_of_the_machine_that_made_it() -> None:
    content = network_bytes(script(HemorrhageNetwork(SPEC)))

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        code = {name: archive.read(name) for name in archive.namelist() if "/code/" in name}

    assert any(b"def forward" in text for text in code.values())
    assert not [name for name, text in code.items() if b"/model/" in text or b".py" in text]
