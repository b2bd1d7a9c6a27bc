"""A round head as the simulator sees it, without any search for its anatomy."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.grid import Grid
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.slice_view import SliceView

SIDE = 200
STEP_MM = 1.0
MIDDLE = SIDE // 2
BRAIN_HU = 32.0


def a_view(hu: NDArray[np.float32], fluid: NDArray[np.bool_]) -> SliceView:
    """A round head whose ventricles are `fluid`, cut 50 mm below the vertex."""
    y, x = np.mgrid[:SIDE, :SIDE]
    depth = 80 - np.hypot(x - MIDDLE, y - MIDDLE)
    return SliceView(
        hu=np.asarray(hu, np.float32),
        inside=depth > 0,
        ventricle=ndimage.binary_dilation(fluid),
        depth_mm=np.clip(depth, 0, None).astype(np.float32),
        grid=Grid(0.0, 0.0, STEP_MM, 50.0),
        frame=HeadFrame(float(MIDDLE), 0.0, 0.0, float(MIDDLE), 100.0, 1.0),
        brain_hu=BRAIN_HU,
        noise_hu=3.0,
        thickness_mm=5.0,
    )


def a_skull() -> NDArray[np.float32]:
    """Brain within bone of 6 mm, scalp of 5 mm around it, air: float32[SIDE, SIDE]."""
    y, x = np.mgrid[:SIDE, :SIDE]
    far = np.hypot(x - MIDDLE, y - MIDDLE)
    hu = np.select([far < 80, far < 86, far < 91], [BRAIN_HU, 1000, 20], -1000)
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE))
    return np.asarray(hu + noise * (far < 91), np.float32)
