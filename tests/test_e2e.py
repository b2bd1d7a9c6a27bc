"""The main job in a real browser against real processes: upload, wait, read, decide, find again."""

import os
import re
import signal
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

from browser_clinic import open_demo_study
from live_clinic import LiveClinic
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import bleeding_of, make_series

ANALYSIS_MS = 120_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated head CT as a zip, with a file among it that is no image."""
    folder = tmp_path_factory.mktemp("series")
    head = make_series(7, Scan(n_slices=12, spacing_mm=10), bleeding_of("subdural"))
    write_series(folder, head)
    (folder / "notes.txt").write_text("not an image")
    path = folder / "head.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for file in sorted(folder.glob("*.*")):
            if file != path:
                opened.write(file, f"head/{file.name}")
    return path


def test_from_upload_to_verdict_and_back(page: Page, clinic: LiveClinic, archive: Path) -> None:
    page.get_by_role("link", name="Upload", exact=True).click()
    page.get_by_label("Slices or zip archives").set_input_files(archive)
    page.get_by_role("button", name="Upload and analyse").click()

    expect(page.get_by_text("12 stored")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("notes.txt")).to_be_visible()
    expect(page.get_by_text("12 of 12 slices analysed")).to_be_visible(timeout=ANALYSIS_MS)

    page.get_by_role("link", name="SIMULATED").first.click()
    probability = page.locator(".findings tbody tr").first.locator(".number").first
    expect(probability).to_have_text(re.compile(r"^[<>]? ?\d+ %$"))
    expect(page.locator(".frame:not(.waiting) canvas[width='512']")).to_have_count(3)

    page.get_by_label("Verdict on intraparenchymal").select_option("present")
    page.get_by_label("Comment").fill("Left basal ganglia.")
    page.get_by_role("button", name="Save verdict").click()
    expect(page.get_by_text("The verdict is saved.")).to_be_visible()

    page.goto(f"{clinic.address}/?q=SIMULATED&state=reviewed")
    page.locator("table.worklist tbody a").first.click()
    expect(page.locator(".history")).to_contain_text("Left basal ganglia.")


def test_dropped_files_are_uploaded(page: Page, clinic: LiveClinic) -> None:
    page.goto(f"{clinic.address}/upload")
    page.wait_for_load_state("load")
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            for (const name of ["one.dcm", "two.dcm"])
                transfer.items.add(new File(["junk"], name));
            return transfer;
        }"""
    )

    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})

    expect(page.get_by_text("2 refused")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("one.dcm, two.dcm")).to_be_visible()


def test_a_result_appears_on_the_open_page(page: Page, clinic: LiveClinic, tmp_path: Path) -> None:
    worker = clinic.processes()["worker"]
    write_series(tmp_path, make_series(11, Scan(n_slices=6, spacing_mm=20)))
    page.goto(f"{clinic.address}/upload")
    os.kill(worker, signal.SIGSTOP)
    try:
        page.get_by_label("Slices or zip archives").set_input_files(sorted(tmp_path.glob("*.dcm")))
        page.get_by_role("button", name="Upload and analyse").click()
        page.get_by_role("link", name="SIMULATED").first.click()
        expect(page.locator("#findings")).to_contain_text("waiting for the worker")
        expect(page.locator("#strip-drawing")).to_have_attribute("data-unknown", "not analysed yet")
        expect(page.locator("#strip-caption")).to_contain_text("Not analysed yet")
        page.get_by_label("Comment").fill("Half a sentence")
    finally:
        os.kill(worker, signal.SIGCONT)

    expect(page.locator("#strip-caption")).to_contain_text("flag threshold", timeout=ANALYSIS_MS)
    expect(page.locator("#study-state")).not_to_contain_text("waiting")
    expect(page.get_by_label("Comment")).to_have_value("Half a sentence")
    page.locator("body").click(position={"x": 5, "y": 60})
    page.keyboard.press("h")
    expect(page.locator(".heat")).to_be_visible()


def test_the_attributes_are_those_of_the_slice_in_view(page: Page) -> None:
    open_demo_study(page)
    page.keyboard.press("Home")
    expect(page.locator("#metadata summary")).to_have_text("DICOM attributes of slice 1")
    page.locator("#metadata summary").click()
    number = page.locator("#metadata div", has_text="InstanceNumber").locator("dd")
    expect(number).to_have_text("1")
    expect(page.locator("#metadata summary")).to_have_text("DICOM attributes of slice 1")

    page.keyboard.press("PageDown")

    expect(number).to_have_text("6")
    expect(page.locator("#metadata summary")).to_have_text("DICOM attributes of slice 6")


def test_without_javascript_a_reader_can_do_it_all(
    browser: Browser, clinic: LiveClinic, login: StorageState, archive: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=login)
    page = context.new_page()
    page.goto(clinic.address)
    page.get_by_role("link", name="Upload", exact=True).click()
    page.get_by_label("Slices or zip archives").set_input_files(archive)
    page.get_by_role("button", name="Upload and analyse").click()
    expect(page.get_by_text("refused", exact=False).first).to_be_visible()

    open_demo_study(page)
    page.get_by_role("link", name="↓ Next").click()
    page.get_by_role("button", name="Blood map").click()

    expect(page.locator(".heat")).to_be_visible()
    expect(page.locator(".picture")).to_have_count(3)
    expect(page.locator(".viewport:first-child .corner-left")).to_have_text("R")
    expect(page.locator(".corner-place").first).to_contain_text("mm thick")
    expect(page.locator("kbd").first).to_be_hidden()
    expect(page.locator(".tools")).to_be_hidden()
    context.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/upload", "/model", "/account", "/admin/users", "/admin/settings", "/admin/models"],
)
def test_pages_are_accessible(page: Page, clinic: LiveClinic, path: str) -> None:
    page.goto(f"{clinic.address}{path}")

    violations = Axe().run(page).response["violations"]

    assert [violation["id"] for violation in violations] == []


def test_the_review_page_is_accessible(page: Page) -> None:
    open_demo_study(page)

    violations = Axe().run(page).response["violations"]

    assert [violation["id"] for violation in violations] == []
