"""The viewer on the demo study: where its slices lie, and how a pointer moves over them."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from app.storage import HU, Storage
from live_clinic import LiveClinic


def go_to_lowest(page: Page) -> None:
    expect(page.locator(".viewing")).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator(".corner-place").first).to_contain_text("1 / ")
    expect(page.locator(".frame:not(.waiting) canvas").first).to_be_visible()


def slices_of(page: Page) -> list[dict[str, Any]]:
    """What the page says of each slice."""
    state: dict[str, Any] = json.loads(page.locator("#slices").text_content() or "")
    slices: list[dict[str, Any]] = state["slices"]
    return slices


def stored(clinic: LiveClinic, one: dict[str, Any]) -> NDArray[np.int16]:
    """The slice as the server keeps it, int16 [rows, columns]."""
    hu: NDArray[np.int16] = Storage(clinic.data / "files").read_array(HU, one["instance"])
    return hu


def center_of(page: Page) -> tuple[float, float]:
    """The middle of the large picture on the screen."""
    box = page.locator(".frame").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=3)
    page.mouse.up()
