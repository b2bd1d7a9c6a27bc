"""The demo study of a new installation."""

from pathlib import Path
from typing import Final

from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import bleeding_of, make_series

DEMO_SEED: Final = 3
_SCAN: Final = Scan(n_slices=25, spacing_mm=5.5, thickness_mm=5.5)


def write_demo(folder: Path) -> list[Path]:
    """Write a head with a bleed in the brain, and return its files."""
    return write_series(folder, make_series(DEMO_SEED, _SCAN, bleeding_of("intraparenchymal")))
