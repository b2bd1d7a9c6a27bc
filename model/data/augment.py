"""From cached crops to a batch of the network's input, varied in Hounsfield units and in space.

Everything random comes from torch's global generator: who seeds it decides the batch. All but the
noise itself is drawn on the CPU, whatever the device, so that every device draws alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import torch
from torch import Tensor

from model.data import scanner_variation as scanner
from model.data.field import coarse_mean, compose, in_field
from model.data.resident import Batch
from model.preprocess import normalise
from model.windowing import MODEL_WINDOWS, apply_window

FIELD_MM: Final = 240.0
"""Width that the network's field is taken to have: that of head scans is 200 to 260 mm."""

_AT_ONCE: Final = 4
"""Inputs varied together on a CPU: their tensors stay in its cache."""

_ROLLS: Final = 6
"""As many numbers decide a kind's strength for one input, at most."""


@dataclass(frozen=True)
class Augmentation:
    """What is varied, one switch a kind; what is not said to be seldom happens to every input.

    Ranges that have no source here were chosen by eye, so that each picture could be another
    scanner's and bleeding stays visible.

    Parameters
    ----------
    flip
        Left and right are exchanged in half the cases.
    rotate
        Up to 25 degrees either way.
    crop
        The field is 0.75 to 1.1 of the slice wide, stretched to 6 % and moved by up to 6 %.
    wide_field
        In a tenth, the field is another 1.1 to 1.4 times as wide: trauma and body protocols.
    contrast
        HU times 0.95 to 1.05, as tube voltages and beam hardening have it.
    offset
        Some HU are added (standard deviation 3): accredited scanners show water up to 5, at most
        7 HU off (McCollough et al. 2004, Medical Physics 31: 2423-2442).
    kernel
        In half, a softer or sharper reconstruction kernel: detail below 0.3 to 0.8 mm is taken
        away or up to doubled.
    resolution
        In a quarter, pixels of 0.6 to 1.8 mm.
    noise
        Of up to 6 HU where it is white; its grain is up to 0.8 mm, and grainy it is weaker.
    holder
        In a quarter, a head holder or a table below the head.
    padding
        In a tenth, 0 HU outside the circle of reconstruction. (Lower values look like air.)
    eight_bit
        In a tenth, 256 levels of a window 80 to 400 HU wide are left.
    window_jitter
        Each window's width by up to 10 %, its center by up to 5 % of the width.
    thickness
        Slices up to 1.6 times as thick, in half. This and the next need the slices below and above
        as well, which take time to read and more to simulate: both are off unless asked for.
    tilt
        Of the gantry, so that the slice's front and back lie up to half a slice off.
    """

    flip: bool = True
    rotate: bool = True
    crop: bool = True
    wide_field: bool = True
    contrast: bool = True
    offset: bool = True
    kernel: bool = True
    resolution: bool = True
    noise: bool = True
    holder: bool = True
    padding: bool = True
    eight_bit: bool = True
    window_jitter: bool = True
    thickness: bool = False
    tilt: bool = False

    @property
    def beside(self) -> int:
        """How many more slices than the network sees `network_input` needs on either side."""
        return int(self.thickness or self.tilt)


NO_AUGMENTATION: Final = Augmentation(**{item.name: False for item in fields(Augmentation)})


def training_input(batch: Batch, size: int, augmentation: Augmentation) -> tuple[Tensor, Tensor]:
    """The input of `network_input`, and where the crop lies in it.

    Returns
    -------
    The input, and float32[B, 2, 3], from the network's field into the crop of the slice itself
    (`functional.affine_grid`).
    """
    theta = compose(random_affine(len(batch.hu), augmentation).to(batch.hu.device), batch.placement)
    return _varied_input(batch.hu, theta, size, augmentation), theta[:, theta.shape[1] // 2]


def network_input(
    hu: Tensor, placement: Tensor, size: int, augmentation: Augmentation = NO_AUGMENTATION
) -> Tensor:
    """Put cached crops back at their places in the field, varied, as the network's input.

    Parameters
    ----------
    hu
        int16[B, C, H, H], cached crops: C slices an input, and those that lie `beside` them.
    placement
        float32[B, C, 3], scale and shift that put each crop into its field; of as many.
    size
        Rows and columns of the network's input.
    augmentation
        All slices of an input are varied alike, but for noise.

    Returns
    -------
    float32[B, 3 C, size, size], normalised as in serving, slice by slice: its three windows.
    Sampled finer and averaged, which stands in for the antialiased resize of `Preprocess`.
    """
    theta = compose(random_affine(len(hu), augmentation).to(hu.device), placement)
    return _varied_input(hu, theta, size, augmentation)


def _varied_input(hu: Tensor, theta: Tensor, size: int, augmentation: Augmentation) -> Tensor:
    finer = max(2, hu.shape[-1] // size)
    chance = roll(len(hu))
    at_once = _AT_ONCE if hu.device.type == "cpu" else max(1, len(hu))
    made = []
    for start in range(0, len(hu), at_once):
        some = slice(start, start + at_once)
        seen = in_field(hu[some], theta[some], finer * size)
        varied = vary_hu(vary_slabs(seen, augmentation, chance[some]), augmentation, chance[some])
        windowed = vary_windows(varied, augmentation, chance[some]).flatten(1, 2)
        made.append(normalise(coarse_mean(windowed, finer)))
    return torch.cat(made)


def roll(count: int) -> Tensor:
    """Draw what decides all strengths, float32[count, kinds, 6], 0..1.

    Each kind has numbers of its own: without one, the others vary as they did with it.
    """
    return torch.rand(count, len(fields(Augmentation)), _ROLLS)


def vary_slabs(hu: Tensor, augmentation: Augmentation, chance: Tensor) -> Tensor:
    """Cut float32[B, C, H, W] otherwise along z; what lay `beside` them is used up.

    Here and below, `chance` is what `roll` drew for these inputs.
    """
    if not augmentation.beside:
        return hu
    thickness, tilt = torch.ones(len(hu)), torch.zeros(len(hu))
    if augmentation.thickness:
        thickness = _between(0.4, 1.6, _of("thickness", chance)[0]).clip(min=1)
    if augmentation.tilt:
        tilt = _between(-0.5, 0.5, _of("tilt", chance)[0])
    return scanner.thicker_slices(hu, thickness, tilt)


def vary_hu(hu: Tensor, augmentation: Augmentation, chance: Tensor) -> Tensor:
    """Show float32[B, C, H, W] as other scanners might have; the tensor itself may change."""
    for kind, share, vary in _VARIATIONS:
        if getattr(augmentation, kind):
            whether, *strengths = _of(kind, chance)
            # Known on the CPU, so that no device has to be waited for.
            some = torch.nonzero(whether < share).squeeze(1)
            if len(some) == len(hu):
                hu = vary(hu, *strengths)
            elif len(some):
                chosen = some.to(hu.device)
                hu[chosen] = vary(hu[chosen], *(strength[some] for strength in strengths))
    return hu


def vary_windows(hu: Tensor, augmentation: Augmentation, chance: Tensor) -> Tensor:
    """Window float32[B, C, H, H] into float32[B, C, 3, H, H], range 0..1."""
    channels = []
    rolls = _of("window_jitter", chance)
    for window, roll_width, roll_center in zip(MODEL_WINDOWS, rolls[::2], rolls[1::2], strict=True):
        seen = hu
        if augmentation.window_jitter:
            width = _between(0.9, 1.1, roll_width)
            center = window.center + _between(-0.05, 0.05, roll_center) * window.width
            # Seen through the fixed window, this is HU through the varied one.
            seen = scanner.offset_and_gain(hu, window.center - center / width, 1 / width)
        channels.append(apply_window(seen, window))
    return torch.stack(channels, dim=2)


def random_affine(count: int, augmentation: Augmentation) -> Tensor:
    """Draw affine maps float32[count, 2, 3] from the network's field to the slice's field."""
    identity = torch.eye(2).expand(count, 2, 2)
    turn, stretch, shift = identity, identity, torch.zeros(count, 2, 1)
    if augmentation.rotate:
        angle = (torch.rand(count) - 0.5) * math.radians(50)
        cos, sin = torch.cos(angle), torch.sin(angle)
        turn = torch.stack([cos, -sin, sin, cos], dim=1).reshape(count, 2, 2)
    if augmentation.crop:
        scale = torch.rand(count) * 0.35 + 0.75
        across = torch.rand(count) * 0.12 + 0.94
        stretch = torch.diag_embed(torch.stack([scale * across, scale], dim=1))
        # Units of half a field.
        shift = (torch.rand(count, 2, 1) - 0.5) * 0.24
    if augmentation.wide_field:
        wider = torch.where(torch.rand(count) < 0.1, torch.rand(count) * 0.3 + 1.1, 1.0)
        stretch = stretch * wider[:, None, None]
    if augmentation.flip:
        mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        stretch = stretch * torch.stack([mirror, torch.ones(count)], dim=1)[:, None, :]
    return torch.cat([turn @ stretch, shift], dim=2)


def _holder(hu: Tensor, *rolls: Tensor) -> Tensor:
    return scanner.head_holder(
        hu,
        holder_hu=_between(-500, 300, rolls[0]),
        radius=0.5 * 4 ** rolls[1],
        lowest=_between(0.92, 1.02, rolls[2]),
        across=_between(0.45, 0.55, rolls[3]),
        shell=_between(1, 4, rolls[4]) * _pixels_a_mm(hu),
    )


def _resolution(hu: Tensor, *rolls: Tensor) -> Tensor:
    return scanner.coarser_pixels(hu, _between(0.6, 1.8, rolls[0]) * _pixels_a_mm(hu))


def _kernel(hu: Tensor, *rolls: Tensor) -> Tensor:
    sigma = _between(0.3, 0.8, rolls[0]) * _pixels_a_mm(hu)
    return scanner.reconstruction_kernel(hu, _between(-1, 1, rolls[1]), sigma)


def _noise(hu: Tensor, *rolls: Tensor) -> Tensor:
    grain_mm = _between(0, 0.8, rolls[0])
    # A kernel that smooths noise also takes most of it away.
    deviation = _between(0, 6, rolls[1]) / (1 + grain_mm)
    return scanner.textured_noise(hu, deviation, grain_mm * _pixels_a_mm(hu))


def _contrast(hu: Tensor, *rolls: Tensor) -> Tensor:
    gain = _between(0.95, 1.05, rolls[0])
    return scanner.offset_and_gain(hu, torch.zeros_like(gain), gain)


def _offset(hu: Tensor, *rolls: Tensor) -> Tensor:
    # The normal distribution at this share, within 3 standard deviations.
    offset = 3 * torch.special.ndtri(_between(0.0013, 0.9987, rolls[0]))
    return scanner.offset_and_gain(hu, offset, torch.ones_like(offset))


def _padding(hu: Tensor, *rolls: Tensor) -> Tensor:
    return scanner.padding(hu, torch.zeros_like(rolls[0]), _between(0.5, 0.58, rolls[0]))


def _eight_bit(hu: Tensor, *rolls: Tensor) -> Tensor:
    return scanner.eight_bits(hu, _between(30, 60, rolls[0]), 80 * 5 ** rolls[1])


_VARIATIONS: Final[tuple[tuple[str, float, Callable[..., Tensor]], ...]] = (
    ("holder", 0.25, _holder),
    ("resolution", 0.25, _resolution),
    ("kernel", 0.5, _kernel),
    ("noise", 1.0, _noise),
    ("contrast", 1.0, _contrast),
    ("offset", 1.0, _offset),
    ("padding", 0.1, _padding),
    ("eight_bit", 0.1, _eight_bit),
)
"""Switch of `Augmentation`, share of inputs, and how; in the order in which scanners come to it."""


def _of(kind: str, chance: Tensor) -> tuple[Tensor, ...]:
    """A kind's own numbers, six of float32[B]."""
    names = [item.name for item in fields(Augmentation)]
    return chance[:, names.index(kind)].unbind(1)


def _between(low: float, high: float, rolled: Tensor) -> Tensor:
    return low + (high - low) * rolled


def _pixels_a_mm(hu: Tensor) -> float:
    return hu.shape[-1] / FIELD_MM
