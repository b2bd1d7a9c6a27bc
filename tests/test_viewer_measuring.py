"""Lengths and regions in the viewer are those of the file, by pointer and by keys, and stay."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browser_clinic import open_demo_study
from browser_viewer import center_of, drag, go_to_lowest, slices_of, stored
from live_clinic import LiveClinic


@pytest.fixture
def study(page: Page) -> Page:
    """The demo study at its lowest slice, with the Hounsfield units there."""
    open_demo_study(page)
    go_to_lowest(page)
    return page


def test_a_length_is_that_of_the_file(study: Page) -> None:
    x, y = center_of(study)
    box = study.locator(".frame").first.bounding_box()
    assert box is not None
    one = slices_of(study)[0]
    pixel = max(one["columns"] / box["width"], one["rows"] / box["height"])

    study.keyboard.press("l")
    drag(study, (x, y), (x + 90, y + 120))

    told = float((study.locator(".shapes text").first.text_content() or "").split(" mm")[0])
    assert told == pytest.approx(150 * pixel * one["spacing_mm"][0], abs=0.1)
    study.keyboard.press("Delete")
    expect(study.locator(".shapes text")).to_have_count(0)


def test_a_region_is_measured_and_told_to_the_page(study: Page, clinic: LiveClinic) -> None:
    study.evaluate(
        "() => document.addEventListener('falx:region', ({ detail }) => (window.told = detail))"
    )
    x, y = center_of(study)

    study.keyboard.press("r")
    drag(study, (x - 40, y - 30), (x + 30, y + 40))

    told = study.evaluate("window.told")
    one = slices_of(study)[0]
    rows, columns = np.mgrid[told["y0"] : told["y1"], told["x0"] : told["x1"]] + 0.5
    a, b = (told["x1"] - told["x0"]) / 2, (told["y1"] - told["y0"]) / 2
    across, down = (columns - told["x0"] - a) / a, (rows - told["y0"] - b) / b
    inside = stored(clinic, one)[told["y0"] : told["y1"], told["x0"] : told["x1"]][
        across**2 + down**2 <= 1
    ]
    assert (told["instance"], told["position"]) == (one["instance"], 0)
    assert told["mean"] == pytest.approx(inside.mean())
    assert told["sd"] == pytest.approx(inside.std())
    assert told["area_mm2"] == pytest.approx(inside.size * np.prod(one["spacing_mm"]))
    expect(study.locator(".shapes text").first).to_contain_text(f"{told['mean']:.1f} ±")


def test_measurements_stay_with_their_slice_and_survive_a_reload(study: Page) -> None:
    x, y = center_of(study)
    study.keyboard.press("l")
    drag(study, (x, y), (x + 90, y + 20))
    study.keyboard.press("ArrowDown")
    study.keyboard.press("r")
    drag(study, (x, y), (x + 60, y + 60))
    lines = study.locator("#measured li")
    expect(lines).to_have_count(2)
    told = lines.all_text_contents()
    assert told[0].startswith("Slice 1:")
    assert told[1].startswith("Slice 2:")

    study.reload()
    go_to_lowest(study)

    assert lines.all_text_contents() == told
    expect(study.locator(".viewport:first-child .shapes line")).to_have_count(1)
    study.get_by_role("button", name="Show Slice 2").click()
    expect(study.locator(".viewport:first-child .shapes ellipse")).to_have_count(1)
    study.get_by_role("button", name="Remove Slice 2").click()
    expect(study.locator(".shapes ellipse")).to_have_count(0)
    study.keyboard.press("Home")
    study.keyboard.press("Delete")
    expect(study.locator("#measured")).to_be_hidden()
    study.reload()
    go_to_lowest(study)
    expect(study.locator(".shapes line")).to_have_count(0)


def test_keys_alone_measure(study: Page, clinic: LiveClinic) -> None:
    one = slices_of(study)[0]
    study.keyboard.press("l")
    study.keyboard.press("Enter")
    readout = study.locator(".corner-cursor").first
    column, row = one["columns"] // 2, one["rows"] // 2
    value = stored(clinic, one)[row, column]
    expect(readout).to_have_text(f"{value} HU\ncolumn {column}, row {row}")

    study.keyboard.press("Enter")
    for _ in range(3):
        study.keyboard.press("Shift+ArrowRight")
    for _ in range(4):
        study.keyboard.press("Shift+ArrowDown")
    study.keyboard.press("Enter")

    told = f"Slice 1: {50 * one['spacing_mm'][0]:.1f} mm"
    expect(study.locator("#measured li")).to_contain_text(told)
    expect(study.locator("#number")).to_have_text("1")
    expect(study.locator("[data-runs=length]")).to_have_attribute("aria-pressed", "false")

    study.keyboard.press("r")
    study.keyboard.press("Enter")
    study.keyboard.press("Escape")
    study.keyboard.press("ArrowDown")
    expect(study.locator("#number")).to_have_text("2")
    expect(study.locator("#measured li")).to_have_count(1)
    study.keyboard.press("Home")
    study.keyboard.press("Delete")
    expect(study.locator("#measured")).to_be_hidden()
