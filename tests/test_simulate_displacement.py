"""Mass effect: tissue is pushed without folds, and the falx gives way to a large bleed."""

import numpy as np

from model.data.simulate.blob import Blob
from model.data.simulate.compose import compose
from model.data.simulate.displacement import gentle
from round_head import BRAIN_HU, MIDDLE, SIDE, STEP_MM, a_view

NONE = np.zeros((SIDE, SIDE), np.bool_)


def a_bleed(across_mm: float, radius_mm: float) -> Blob:
    return Blob(
        kind="intraparenchymal",
        site="lobar",
        center=(MIDDLE + across_mm, float(MIDDLE), 50.0),
        radii_mm=(radius_mm, radius_mm, radius_mm),
        turn=0.0,
        rough=0.05,
        soft_mm=2.0,
        mixed=0.0,
        hu=62.0,
        patchy_hu=1.0,
        rim=0.0,
        push=0.5,
        seed=(0.2, 0.4, 0.6),
    )


def test_a_displacement_that_would_fold_tissue_is_weakened() -> None:
    y, x = np.mgrid[:120, :120].astype(np.float32)
    swirl = 14 * np.exp(-((x - 60) ** 2 + (y - 60) ** 2) / 80)
    down, right = gentle(swirl * np.sin(x / 3), swirl * np.cos(y / 3), 0.7)

    along, across = np.gradient(down), np.gradient(right)
    determinant = (1 + along[0]) * (1 + across[1]) - along[1] * across[0]
    assert determinant.min() > 0.05


def test_a_gentle_displacement_stays_as_it_is() -> None:
    y, x = np.mgrid[:160, :160].astype(np.float32)
    push = 5 * np.exp(-((x - 80) ** 2 + (y - 80) ** 2) / 1800)
    down, right = gentle(push, 0 * push, 0.7)

    assert abs(down.max() - 5) < 0.3
    assert np.abs(right).max() < 1e-6


def test_a_large_bleed_beside_the_falx_pushes_it_and_is_not_cut_straight() -> None:
    rng = np.random.default_rng(0)
    hu = np.full((SIDE, SIDE), BRAIN_HU, np.float32) + rng.normal(0, 3, (SIDE, SIDE))
    made = compose(a_view(hu.astype(np.float32), NONE), [a_bleed(22.0, 24.0)])

    mask = made.masks[1]
    rows = np.flatnonzero(mask.any(axis=1))
    border = np.array([np.flatnonzero(mask[row])[0] for row in rows]) * STEP_MM
    assert border.min() < MIDDLE
    inner = border[len(border) // 4 : -len(border) // 4]
    assert np.ptp(inner) > 2.5


def test_a_bleed_far_from_the_falx_keeps_its_size() -> None:
    rng = np.random.default_rng(0)
    hu = np.full((SIDE, SIDE), BRAIN_HU, np.float32) + rng.normal(0, 3, (SIDE, SIDE))
    made = compose(a_view(hu.astype(np.float32), NONE), [a_bleed(40.0, 12.0)])

    assert abs(made.masks[1].sum() / (np.pi * 12**2) - 1) < 0.2
