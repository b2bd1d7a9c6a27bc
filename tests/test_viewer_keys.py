"""Keys: one registry, listed by one key, changed by the reader, silent while one types."""

import re

from playwright.sync_api import Browser, Page, StorageState, expect

from browser_clinic import open_demo_study
from live_clinic import LiveClinic


def test_a_key_is_changed_and_stays_changed(page: Page) -> None:
    open_demo_study(page)
    page.keyboard.press("?")
    page.get_by_role("button", name=re.compile("^Invert grey levels")).click()

    page.keyboard.press("h")
    expect(page.get_by_role("alert")).to_contain_text("H already means “Show or hide the map”")

    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Invert grey levels: X")).to_be_focused()
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator("[data-command=invert]")).to_have_text("X")
    page.keyboard.press("x")
    expect(page.locator("[data-runs=invert]")).to_have_attribute("aria-pressed", "true")

    page.keyboard.press("?")
    page.get_by_role("button", name="Usual keys").click()
    expect(page.locator("[data-command=invert]")).to_have_text("I")


def test_keys_are_silent_while_one_types(page: Page) -> None:
    open_demo_study(page)
    page.keyboard.press("Home")
    page.get_by_label("Comment").press_sequentially("hi")
    page.get_by_label("Comment").press("End")

    expect(page.locator(".heat")).to_be_hidden()
    expect(page.locator("[data-runs=invert]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#number")).to_have_text("1")


def test_a_key_with_shift_is_another_key(page: Page) -> None:
    open_demo_study(page)
    page.keyboard.press("?")
    page.get_by_role("button", name=re.compile("^Look further left")).click()

    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("alert")).to_contain_text("Shift+Tab belongs to the browser")
    page.keyboard.press("Shift+F2")

    expect(page.get_by_role("button", name="Look further left: Shift+F2")).to_be_focused()
    page.get_by_role("button", name="Usual keys").click()


def test_a_study_is_read_by_keys_alone(page: Page) -> None:
    page.wait_for_load_state("load")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#findings .bar").first).to_be_visible()
    page.wait_for_load_state("load")
    page.keyboard.press("Home")

    page.keyboard.press("v")
    expect(page.get_by_label("Verdict on any")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Verdict on any")).not_to_have_value("")
    expect(page.locator("#number")).to_have_text("1")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#number")).to_have_text("2")

    page.keyboard.press("s")
    expect(page.locator("#agree")).to_have_text("A Agree: epidural")
    page.keyboard.press("a")
    expect(page.locator(".history > li").first).to_contain_text("epidural agree")
    page.keyboard.press("u")
    expect(page.locator(".history > li").first).to_contain_text("withdrawal")


def test_a_finger_scrolls_and_two_zoom(
    browser: Browser, clinic: LiveClinic, login: StorageState
) -> None:
    context = browser.new_context(
        viewport={"width": 400, "height": 800}, has_touch=True, storage_state=login
    )
    page = context.new_page()
    page.goto(clinic.address)
    open_demo_study(page)
    page.keyboard.press("Home")
    page.locator(".frame").first.scroll_into_view_if_needed()
    box = page.locator(".frame").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    touch(page, [[(x, y)], [(x, y + 30)], [(x, y + 60)], []])
    expect(page.locator("#number")).to_have_text("5")

    touch(page, [[(x - 20, y), (x + 20, y)], [(x - 40, y), (x + 40, y)], []])
    expect(page.locator(".corner-place").first).to_contain_text("zoom 2.0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    context.close()


def touch(page: Page, frames: list[list[tuple[float, float]]]) -> None:
    """Put fingers where each frame has them."""
    session = page.context.new_cdp_session(page)
    for number, fingers in enumerate(frames):
        kind = "touchEnd" if not fingers else "touchMove" if number else "touchStart"
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(fingers)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
