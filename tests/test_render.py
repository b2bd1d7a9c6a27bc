"""What is drawn is the windowed slice, to the last grey level."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from app.render import LEAST_FULL_HEAT, full_heat, heat_png, window_png
from ct_factory import block_hu
from model.artifact import BLOOD_MAP, CLASS_ACTIVATION_MAP
from model.windowing import DISPLAY_PRESETS, Window


@pytest.mark.parametrize("preset", DISPLAY_PRESETS, ids=lambda preset: preset.name)
def test_grey_levels_are_those_of_pydicoms_linear_exact(preset: Window) -> None:
    hu = np.arange(-1100, 3100, dtype=np.int16).reshape(60, 70)
    oracle = Dataset()
    oracle.WindowCenter, oracle.WindowWidth = preset.center, preset.width
    oracle.VOILUTFunction = "LINEAR_EXACT"
    oracle.PhotometricInterpretation = "MONOCHROME2"
    oracle.BitsStored, oracle.PixelRepresentation = 16, 1
    oracle.RescaleSlope, oracle.RescaleIntercept = 1, 0

    with Image.open(io.BytesIO(window_png(hu, preset))) as picture:
        drawn = np.asarray(picture)

    # pydicom's output spans the stored range, -32768 to 32767.
    expected = (apply_windowing(hu, oracle) + 32768) / 65535 * 255
    assert np.abs(drawn - expected).max() <= 0.51


def test_a_slice_that_is_a_view_of_a_larger_one_is_drawn_right() -> None:
    hu = block_hu()

    whole, part = window_png(hu, DISPLAY_PRESETS[0]), window_png(hu[::2, ::2], DISPLAY_PRESETS[0])

    with Image.open(io.BytesIO(whole)) as full, Image.open(io.BytesIO(part)) as half:
        np.testing.assert_array_equal(np.asarray(full)[::2, ::2], np.asarray(half))


def test_heat_is_clear_where_the_map_is_not_positive_and_orange_where_it_is() -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[:4] = 10.0

    with Image.open(io.BytesIO(heat_png(heat, 4.0, 128, 128))) as overlay:
        pixels = np.asarray(overlay)

    assert pixels[10, 64, 3] > 100
    assert pixels[120, 64, 3] == 0
    red, green, blue = pixels[10, 64, :3]
    assert red > green > blue


def test_heat_of_a_slice_that_is_not_square_is_cut_from_the_padded_square() -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[:, :2] = 10.0  # the left quarter of the square: padding of a tall, narrow slice

    with Image.open(io.BytesIO(heat_png(heat, 4.0, 200, 100))) as overlay:
        pixels = np.asarray(overlay)

    assert pixels.shape == (200, 100, 4)
    assert pixels[:, 20:, 3].max() == 0


def test_the_scale_of_heat_is_the_series_own_but_never_noise() -> None:
    quiet = np.full((3, 5, 5), 0.1, dtype=np.float16)
    loud = quiet.copy()
    loud[1, 2, 2] = 12.0

    assert full_heat(quiet, CLASS_ACTIVATION_MAP) == LEAST_FULL_HEAT
    assert full_heat(loud, CLASS_ACTIVATION_MAP) == 12.0


def test_a_blood_map_is_drawn_on_the_same_scale_in_every_series() -> None:
    faint, certain = (np.full((3, 5, 5), value, dtype=np.float16) for value in (0.01, 0.99))

    assert full_heat(faint, BLOOD_MAP) == full_heat(certain, BLOOD_MAP) == 1
