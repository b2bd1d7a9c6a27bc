"""The system's Chromium on a running installation: start, log in, open the demo study."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from live_clinic import LiveClinic, live_clinic, wait_until

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(executable: str, *arguments: str) -> Iterator[Browser]:
    """The browser, without a GPU."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=executable, args=[*CHROMIUM_ARGUMENTS, *arguments]
        )
        yield opened
        opened.close()


@contextmanager
def demo_clinic(folder: Path) -> Iterator[LiveClinic]:
    """Falx as `make run` starts it, with its demo study analysed."""
    with live_clinic(folder) as running:
        session = running.log_in()
        wait_until(lambda: not running.is_busy(session), 120, "the demo study is analysed")
        yield running


def log_in_by_form(browser: Browser, clinic: LiveClinic) -> StorageState:
    """The cookies of an administrator who logged in through the form."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{clinic.address}/login")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(clinic.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


def open_demo_study(page: Page) -> None:
    """The study that every new installation has."""
    page.get_by_role("link", name="Worklist").click()
    page.locator("table.worklist tbody a").first.click()
    page.wait_for_url("**/studies/**")  # loaded: the scripts that listen for keys have run by then
    expect(page.locator("#findings .bar").first).to_be_visible()
