"""The open worklist in a real browser: what others do appears, and nobody loses the place."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from live_clinic import LiveClinic, token_of

ASK_NOW = "window.dispatchEvent(new Event('online'))"
"""What the browser tells when the network is back: the list asks at once."""


def press(clinic: LiveClinic, session: requests.Session, path: str, study: str) -> None:
    """What somebody does at another desk."""
    token = token_of(session.get(clinic.address, timeout=30))
    data = {"csrf_token": token, "study": study}
    session.post(f"{clinic.address}{path}", data=data, timeout=30).raise_for_status()


def test_what_others_do_appears_and_focus_and_ticks_stay(page: Page, clinic: LiveClinic) -> None:
    elsewhere = clinic.log_in()
    row = page.locator("#studies tbody tr").first
    study = row.get_by_role("checkbox").get_attribute("value") or ""
    page.wait_for_load_state("load")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(row.get_by_role("link")).to_be_focused()
    page.evaluate("window.unchanged = document.activeElement")

    press(clinic, elsewhere, "/worklist/claim", study)
    page.evaluate(ASK_NOW)

    expect(row.locator(".reader")).to_contain_text("reading by you")
    expect(row.get_by_role("link")).to_be_focused()
    expect(row.get_by_role("checkbox")).to_be_checked()
    assert page.evaluate("window.unchanged === document.activeElement")

    press(clinic, elsewhere, "/worklist/release", study)
    page.evaluate(ASK_NOW)
    expect(row.get_by_role("button", name="Read")).to_be_visible()


def test_a_lost_connection_is_told_until_it_is_back(page: Page) -> None:
    page.wait_for_load_state("load")
    told = page.locator("#connection")
    expect(told).to_be_hidden()

    page.context.set_offline(True)
    expect(told).to_contain_text("The connection was lost")

    page.context.set_offline(False)
    expect(told).to_be_hidden()


def test_keys_open_and_claim(page: Page) -> None:
    page.wait_for_load_state("load")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/studies/"))
    page.wait_for_load_state("load")
    page.keyboard.press("t")
    expect(page.locator("#claim")).to_contain_text("reading by you")

    page.get_by_role("button", name="Release").click()
    expect(page.locator("#claim")).to_contain_text("Nobody is reading this study.")


def test_a_study_is_given_back_by_a_key_of_ones_choice(page: Page) -> None:
    page.wait_for_load_state("load")
    page.keyboard.press("n")
    page.wait_for_url("**/studies/**")
    page.keyboard.press("t")
    expect(page.locator("#claim")).to_contain_text("reading by you")
    page.wait_for_load_state("load")
    page.keyboard.press("?")
    page.get_by_role("button", name="Give this study back: others may read it: B").click()
    page.keyboard.press("j")
    page.keyboard.press("Escape")

    page.keyboard.press("b")
    expect(page.locator("#claim")).to_contain_text("reading by you")
    page.keyboard.press("j")
    expect(page.locator("#claim")).to_contain_text("Nobody is reading this study.")


@pytest.mark.parametrize("width", [800, 1440, 2560])
def test_no_button_of_a_row_is_broken_in_two(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    button = page.get_by_role("button", name="Read SIMULATED").first

    lines = button.evaluate(
        "(one) => one.clientHeight / parseFloat(getComputedStyle(one).fontSize)"
    )

    assert lines < 2.4
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_all_of_a_page_are_ticked_at_once_and_counted(page: Page) -> None:
    page.wait_for_load_state("load")
    boxes = page.locator("#studies tbody [type=checkbox]")
    number = boxes.count()
    everything = page.get_by_role("checkbox", name="Tick all on this page")

    everything.check()
    expect(page.locator("#batch-label")).to_have_text(f"Ticked studies ({number}):")
    boxes.first.uncheck()

    expect(everything).not_to_be_checked()
    expect(page.locator("#studies tbody :checked")).to_have_count(number - 1)
