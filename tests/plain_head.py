"""The plainest head: ellipsoids of known HU, for tests that need something like a head, at once."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.synthetic.scan import Scan

BONE_HU: Final = 1100.0
BRAIN_HU: Final = 33.0
_TISSUES: Final = (
    (30.0, (0, 0, 0), (77, 96, 88)),
    (BONE_HU, (0, 0, 0), (72, 91, 83)),
    (BRAIN_HU, (0, 0, 0), (66, 85, 77)),
    (7.0, (9, -4, 14), (6, 30, 10)),
    (7.0, (-9, -4, 14), (6, 30, 10)),
)
"""HU, middle and half-axes in mm: scalp, skull, brain, lateral ventricles."""


def plain_slice(scan: Scan, index: int, seed: int = 0) -> NDArray[np.int16]:
    """Return slice `index` of such a head, int16[pixels, pixels], with white noise of 4 HU."""
    steps = np.arange(scan.pixels) * scan.pixel_mm
    x0, y0, z0 = scan.position_mm(index)
    _, down_y, down_z = scan.column_direction
    x, y, z = x0 + steps[None, :], (y0 + steps * down_y)[:, None], (z0 + steps * down_z)[:, None]
    hu = np.full((scan.pixels, scan.pixels), -1000.0)
    for tissue_hu, (cx, cy, cz), (ax, ay, az) in _TISSUES:
        hu[((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2 < 1] = tissue_hu
    noise = np.random.default_rng((seed, index)).normal(0, 4, hu.shape)
    return np.rint(hu + noise).clip(-1024, 3071).astype(np.int16)
