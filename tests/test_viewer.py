"""The viewer in a real browser: what it shows and measures is what the server stored."""

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from browser_clinic import open_demo_study
from browser_viewer import center_of, drag, go_to_lowest, slices_of, stored
from live_clinic import LiveClinic
from model.windowing import DISPLAY_PRESETS, Window, grey_lookup

MODULE = """(name) =>
    import(new URL(`viewer/${name}.js`, document.querySelector("script[src$='review.js']").src))"""
BASE64 = "bytes => btoa(Array.from(new Uint8Array(bytes), b => String.fromCharCode(b)).join(''))"
HU_OF_A_SLICE = f"""async (slice) => {{
    const {{ fetchHu }} = await ({MODULE})("slice_store");
    return ({BASE64})((await fetchHu(slice)).buffer);
}}"""
GREY_OF_EVERY_HU = f"""async ([window, inverted]) => {{
    const {{ greyTable }} = await ({MODULE})("windowing");
    return ({BASE64})(Uint8Array.from(greyTable(window, inverted), (colour) => colour & 255));
}}"""
CANVAS = f"""() => {{
    const canvas = document.querySelector(".viewport canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return ({BASE64})(pixels.data.filter((_, index) => index % 4 === 0));
}}"""


@pytest.fixture
def study(page: Page) -> Page:
    """The demo study at its lowest slice, with the Hounsfield units there."""
    open_demo_study(page)
    go_to_lowest(page)
    return page


def decoded(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype)


def go_along_the_strip(page: Page, position: int) -> None:
    """Click on the slice at `position` in the strip."""
    box = page.locator("#strip").bounding_box()
    assert box is not None
    share = (position + 0.5) / len(slices_of(page))
    page.locator("#strip").click(position={"x": share * box["width"], "y": 20})


def test_the_browser_has_the_stored_hounsfield_units(study: Page, clinic: LiveClinic) -> None:
    for one in (slices_of(study)[0], slices_of(study)[12]):
        received = decoded(study.evaluate(HU_OF_A_SLICE, one), "<i2")

        np.testing.assert_array_equal(received, stored(clinic, one).ravel())


def test_every_grey_level_is_the_servers(study: Page) -> None:
    windows = [*DISPLAY_PRESETS, Window("own", 37, 83), Window("narrow", 12, 1)]
    for window in windows:
        asked = {"center": window.center, "width": window.width}
        table = decoded(study.evaluate(GREY_OF_EVERY_HU, [asked, False]), "u1")
        inverted = decoded(study.evaluate(GREY_OF_EVERY_HU, [asked, True]), "u1")

        np.testing.assert_array_equal(table, grey_lookup(window), err_msg=window.name)
        np.testing.assert_array_equal(inverted, 255 - grey_lookup(window))


def test_the_canvas_shows_the_slice_through_each_preset(study: Page, clinic: LiveClinic) -> None:
    hu = stored(clinic, slices_of(study)[0])
    for key, window in enumerate(DISPLAY_PRESETS, start=1):
        study.keyboard.press(str(key))
        caption = study.locator(".viewport figcaption").first
        expect(caption).to_have_text(f"{window.name} C {window.center} W {window.width}")

        shown = decoded(study.evaluate(CANVAS), "u1")

        np.testing.assert_array_equal(shown, grey_lookup(window).take(hu.view(np.uint16)).ravel())


def test_keys_and_wheel_move_and_the_address_follows(study: Page) -> None:
    number = study.locator("#number")
    study.keyboard.press("ArrowDown")
    study.keyboard.press("PageDown")
    expect(number).to_have_text("7")

    study.mouse.move(*center_of(study))
    study.mouse.wheel(0, -120)

    expect(number).to_have_text("6")
    expect(study).to_have_url(re.compile("slice=6"))
    expect(study.locator("#strip-here rect")).to_have_attribute("x", "5")
    go_along_the_strip(study, 9)
    expect(number).to_have_text("10")
    study.keyboard.press("ArrowLeft")
    expect(number).to_have_text("9")
    told = study.get_by_role("slider", name="Slice").get_attribute("aria-valuetext") or ""
    assert re.fullmatch(r"9 of \d+, any (< |> )?\d+ %", told)


def test_the_value_under_the_pointer_stays_under_it_while_zooming(
    study: Page, clinic: LiveClinic
) -> None:
    x, y = center_of(study)
    study.mouse.move(x - 60, y - 80)
    readout = study.locator(".corner-cursor").first
    expect(readout).to_contain_text("HU")
    before = readout.text_content() or ""

    study.keyboard.down("Control")
    study.mouse.wheel(0, -120)
    study.keyboard.up("Control")

    expect(study.locator(".corner-place").first).to_contain_text("zoom 1.1")
    expect(readout).to_have_text(before)
    value, column, row = (int(n) for n in re.findall(r"-?\d+", before))
    assert stored(clinic, slices_of(study)[0])[row, column] == value


def test_a_drag_changes_the_window_and_zero_brings_the_presets_back(study: Page) -> None:
    caption = study.locator(".viewport figcaption").first
    x, y = center_of(study)

    drag(study, (x, y), (x + 120, y + 30))

    expect(caption).to_have_text("own C 50 W 120")
    study.keyboard.press("0")
    expect(caption).to_have_text("brain C 40 W 80")


def test_each_change_of_slice_is_told_to_the_page(study: Page) -> None:
    study.evaluate(
        "() => document.addEventListener('falx:slice', ({ detail }) => (window.told = detail))"
    )
    study.keyboard.press("ArrowDown")

    assert study.evaluate("window.told") == {
        "position": 1,
        "instance": slices_of(study)[1]["instance"],
    }


def test_what_cannot_be_fetched_is_said_and_the_picture_stays(page: Page) -> None:
    page.route(re.compile("/instances/.*/hu$"), lambda route: route.fulfill(status=503))
    open_demo_study(page)

    sentence = page.locator(".problem").first
    expect(sentence).to_contain_text("could not be fetched: the server answered 503")
    expect(page.locator(".picture").first).to_be_visible()
    expect(page.locator(".frame canvas").first).to_be_hidden()

    page.unroute(re.compile("/instances/.*/hu$"))
    page.get_by_role("button", name="Fetch it again").click()
    expect(sentence).to_be_hidden()
    expect(page.locator(".frame:not(.waiting) canvas").first).to_be_visible()
    expect(page.get_by_role("button", name="Fetch it again")).to_be_hidden()


def test_only_what_the_budget_allows_is_kept_nearest_first(study: Page) -> None:
    held = study.evaluate(
        """async (slices) => {
            const { SliceStore } = await (MODULE)("slice_store");
            const budget = 5 * slices[0].rows * slices[0].columns * 2;
            return new Promise((resolve) => {
                let left = 5 + 5;
                const store = new SliceStore(slices, () => {
                    left -= 1;
                    if (left === 5) store.focus(15);
                    if (!left) resolve(slices.map((slice) => Boolean(store.get(slice))));
                }, budget);
                store.focus(5);
            });
        }""".replace("MODULE", MODULE),
        slices_of(study),
    )

    assert [place for place, is_held in enumerate(held) if is_held] == [13, 14, 15, 16, 17]


def test_the_map_is_off_until_asked_for_and_shows_the_chosen_label(study: Page) -> None:
    heat = study.locator(".heat")
    expect(heat).to_be_hidden()

    study.keyboard.press("h")
    expect(heat).to_be_visible()
    study.get_by_label("Blood map of").select_option("subdural")
    expect(heat).to_have_attribute("href", re.compile("/subdural.png$"))
    study.get_by_label("strength").fill("0.2")
    expect(heat).to_have_css("opacity", "0.2")

    study.keyboard.press("h")
    expect(heat).to_be_hidden()


def test_the_sides_of_the_patient_are_named(study: Page) -> None:
    sides = {
        side: study.locator(f".corner-{side}").first.text_content()
        for side in ("left", "right", "top", "bottom")
    }

    assert sides == {"left": "R", "right": "L", "top": "A", "bottom": "P"}


@pytest.mark.parametrize("width", [800, 1440, 2560])
def test_pictures_tools_and_strip_fit_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    open_demo_study(page)
    page.locator(".patient h1").evaluate(
        "(name) => { name.textContent += ' and a name'.repeat(9); }"
    )

    for part in (".windows", ".controls", "#strip-caption"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 1000
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_name_and_id_stand_on_the_picture(study: Page) -> None:
    expect(study.locator(".corner-patient")).to_have_text("SIMULATED, HEADSIMULATED-13")


def test_another_label_is_chosen_without_leaving_the_picture(study: Page) -> None:
    study.keyboard.press("2")
    study.keyboard.press("+")
    study.evaluate("window.unchanged = true")

    study.keyboard.press("s")

    expect(study.locator("#strip-caption")).to_contain_text("epidural, each slice")
    expect(study.locator("#agree")).to_have_text("A Agree: epidural")
    expect(study.locator("#heat-label")).to_have_value("epidural")
    expect(study).to_have_url(re.compile("label=epidural"))
    expect(study.locator("#verdict-form")).to_have_attribute("action", re.compile("label=epidural"))
    expect(study.locator(".corner-place").first).to_contain_text("zoom 1.3")

    study.get_by_role("link", name="subdural").click()
    expect(study.locator("#strip-caption")).to_contain_text("subdural, each slice")
    expect(study.get_by_role("link", name="subdural")).to_be_focused()
    expect(study.locator(".viewport figcaption").first).to_contain_text("subdural C 80 W 200")
    assert study.evaluate("window.unchanged")


def test_keys_go_from_one_flagged_slice_to_the_next(study: Page) -> None:
    state = json.loads(study.locator("#slices").text_content() or "")
    flagged = [
        place
        for place, one in enumerate(state["slices"], start=1)
        if one["probabilities"]["any"] >= state["alert_from"]
    ]
    number = study.locator("#number")

    for place in flagged[:2]:
        study.keyboard.press(".")
        expect(number).to_have_text(str(place))
    study.keyboard.press(",")
    expect(number).to_have_text(str(flagged[0]))
    study.keyboard.press(",")
    expect(number).to_have_text(str(flagged[0]))


def test_keys_pan_and_change_the_window(study: Page) -> None:
    over = study.locator(".viewport:first-child svg.over")
    study.keyboard.press("+")
    before = [float(n) for n in (over.get_attribute("viewBox") or "").split()]

    study.keyboard.press("Shift+ArrowRight")
    study.keyboard.press("Shift+ArrowUp")

    expect(over).not_to_have_attribute("viewBox", " ".join(f"{n:g}" for n in before))
    after = [float(n) for n in (over.get_attribute("viewBox") or "").split()]
    assert after[0] > before[0]
    assert after[1] < before[1]
    expect(study.locator("#number")).to_have_text("1")

    study.keyboard.press("Shift+PageUp")
    study.keyboard.press("Shift+End")
    expect(study.locator(".viewport figcaption").first).to_have_text("own C 36 W 88")
