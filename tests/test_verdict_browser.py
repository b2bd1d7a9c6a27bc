"""The verdict in a real browser: keys, a marked region, and the same without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

from browser_clinic import open_demo_study
from live_clinic import LiveClinic

MARK = """() => {
    const { slices } = JSON.parse(document.getElementById("slices").textContent);
    const region = { instance: slices[3].instance, position: 3, x0: 10, y0: 10, x1: 40, y1: 30 };
    const detail = { ...region, mean: 61.2, sd: 3, area_mm2: 240 };
    document.dispatchEvent(new CustomEvent("falx:region", { detail }));
}"""


def clear_verdicts(page: Page) -> None:
    """Take back what another test has left."""
    while page.locator("#undo-form").count():
        before = page.locator(".history > li").count()
        page.locator("#undo-form button").click()
        expect(page.locator(".history > li")).to_have_count(before + 1)


def test_keys_agree_disagree_with_a_reason_and_undo(page: Page) -> None:
    open_demo_study(page)
    clear_verdicts(page)
    newest = page.locator(".history > li").first

    page.keyboard.press("a")
    expect(newest).to_contain_text("any agree")
    expect(page.locator("#verdict .done")).to_be_in_viewport()

    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement")
    page.keyboard.press("d")
    expect(page.locator("#chooser button").first).to_be_focused()
    expect(page.locator("#chooser button").first).to_be_in_viewport()
    page.keyboard.press("2")
    expect(newest).to_contain_text("any disagree (artefact)")

    page.locator("#verdict h2").click()
    page.keyboard.press("u")
    expect(newest).to_contain_text("withdrawal")
    expect(page.get_by_label("Verdict on any")).to_have_value("agree")


def test_to_agree_or_disagree_one_need_not_scroll(page: Page) -> None:
    open_demo_study(page)
    clear_verdicts(page)
    page.reload()

    expect(page.locator("#warnings li").last).to_be_in_viewport()  # the verdict is below them
    expect(page.locator("#agree")).to_be_in_viewport(ratio=1)
    expect(page.locator("#chooser summary")).to_be_in_viewport(ratio=1)
    box = page.locator(".viewport").first.bounding_box()
    assert box
    assert box["width"] > 600


def test_a_region_and_a_slice_are_marked_where_the_reader_is(page: Page) -> None:
    open_demo_study(page)
    clear_verdicts(page)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#verdict-slice")).to_have_text("2")
    page.get_by_label("This slice, subdural").select_option("absent")
    page.keyboard.press("Escape")

    page.evaluate(MARK)
    expect(page.locator("#mark kbd")).to_have_text("M")
    page.get_by_label("What the region shows").select_option("epidural")
    page.get_by_role("button", name="Mark", exact=True).click()
    page.get_by_label("Comment").fill("Marked.")
    page.get_by_role("button", name="Save verdict").click()

    expect(page.locator("#verdict .done")).to_have_text("The verdict is saved.")
    told = page.locator(".history > li").first
    expect(told).to_contain_text("subdural: absent on 2")
    expect(told).to_contain_text("epidural: marked on 4")
    expect(page.get_by_label("This slice, subdural")).to_have_value("absent")
    expect(page.locator(".marks ellipse")).to_have_count(0)
    page.keyboard.press("End")
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator(".viewport:first-child .marks text")).to_have_text("epidural (you)")
    ellipse = page.locator(".viewport:first-child .marks ellipse")
    assert [ellipse.get_attribute(name) for name in ("cx", "rx")] == ["25", "15"]
    assert Axe().run(page).response["violations"] == []


def test_what_is_refused_stays_as_it_was_typed(page: Page) -> None:
    open_demo_study(page)
    clear_verdicts(page)
    page.get_by_label("Verdict on any").select_option("absent")
    page.get_by_label("Verdict on subdural").select_option("present")
    page.get_by_label("Comment").fill("Half a sentence")

    page.get_by_role("button", name="Save verdict").click()

    expect(page.locator("#verdict .error")).to_contain_text("but subdural present")
    expect(page.get_by_label("Comment")).to_have_value("Half a sentence")
    expect(page.get_by_label("Verdict on subdural")).to_have_value("present")


def test_without_javascript_a_verdict_is_given_and_taken_back(
    browser: Browser, clinic: LiveClinic, login: StorageState
) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=login)
    page = context.new_page()
    page.goto(clinic.address)
    open_demo_study(page)
    page.get_by_label("This slice, subarachnoid").select_option("absent")
    page.get_by_text("Disagree: any").click()
    page.get_by_role("button", name="contrast").click()
    expect(page.locator(".history > li").first).to_contain_text("any disagree (contrast)")
    expect(page.locator(".history > li").first).to_contain_text("subarachnoid: absent on")

    page.get_by_role("button", name="Undo").click()

    expect(page.locator(".history > li").first).to_contain_text("withdrawal")
    context.close()


@pytest.mark.parametrize("path", ["/admin/settings", "/admin/agreement"])
def test_the_pages_of_administrators_are_accessible(
    page: Page, clinic: LiveClinic, path: str
) -> None:
    page.goto(f"{clinic.address}{path}")

    assert Axe().run(page).response["violations"] == []


def test_the_first_impression_is_accessible_and_leads_to_the_finding(
    page: Page, clinic: LiveClinic, browser: Browser
) -> None:
    name, password = add_reader(page, clinic)
    choose_image_first(page, clinic, wanted=True)
    context = browser.new_context()
    try:
        fresh = context.new_page()
        fresh.goto(f"{clinic.address}/login")
        fresh.get_by_label("User name").fill(name)
        fresh.get_by_label("Password").fill(password)
        fresh.get_by_role("button", name="Log in").click()
        fresh.locator("table.worklist tbody a").first.click()
        expect(fresh.get_by_role("heading", name="Your first impression")).to_be_visible()
        assert Axe().run(fresh).response["violations"] == []
        fresh.get_by_label("First impression of any").select_option("probably present")
        fresh.get_by_role("button", name="Store and show the finding").click()
        expect(fresh.locator("#findings .bar").first).to_be_visible()
    finally:
        context.close()
        choose_image_first(page, clinic, wanted=False)


def add_reader(page: Page, clinic: LiveClinic) -> tuple[str, str]:
    page.goto(f"{clinic.address}/admin/users")
    page.get_by_label("User name").fill("rita")
    page.get_by_role("button", name="Add user").click()
    told = page.get_by_text("Password of rita").text_content() or ""
    return "rita", told.split(": ")[1].split(" ")[0]


def choose_image_first(page: Page, clinic: LiveClinic, *, wanted: bool) -> None:
    page.goto(f"{clinic.address}/admin/settings")
    page.get_by_label("Image first").set_checked(wanted)
    page.get_by_role("button", name="Save how studies are read").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
