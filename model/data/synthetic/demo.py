"""The demo study of a new installation."""

from pathlib import Path
from typing import Final

from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import SyntheticSeries, bleeding_of, make_series

_SEED: Final = 13
"""Its bleed is plain to see, on nine slices."""
_SCAN: Final = Scan(n_slices=25, spacing_mm=5.5, thickness_mm=5.5)


def demo_series() -> SyntheticSeries:
    """Make a head that bleeds into the brain."""
    return make_series(_SEED, _SCAN, bleeding_of("intraparenchymal"))


def write_demo(folder: Path) -> list[Path]:
    """Write it, and return its files."""
    return write_series(folder, demo_series())
