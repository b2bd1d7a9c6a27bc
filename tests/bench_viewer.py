"""The viewer's part of the benchmark: first image, scrolling, windowing, memory in Chromium."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from browser_clinic import chromium, demo_clinic, log_in_by_form
from ct_factory import ct_file
from live_clinic import LiveClinic, token_of, wait_until
from model.dicom.slice_reader import ReadLimits, read_header, read_pixels

THIN_SLICES = 238
MANY_SLICES = 500
STEPS = 120
PATIENCE_MS = 600_000

WATCH = """
performance.setResourceTimingBufferSize(2000);
window.fetched = () =>
    performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/hu")).length;
document.addEventListener("falx:drawn", () => {
    if (window.firstImage || document.querySelector(".frame.waiting")) return;
    requestAnimationFrame(() => (window.firstImage = performance.now()));
});
"""
# Acts once a frame. Frames a second, and the median milliseconds of script in a frame, from its
# start to the viewer's last change.
MEASURE = """async (steps) => {
    const spent = [];
    let began = 0;
    document.addEventListener("falx:drawn", () => spent.push(performance.now() - began));
    const first = performance.now();
    for (let step = 0; step < steps; step += 1) {
        await new Promise(requestAnimationFrame);
        requestAnimationFrame(() => (began = performance.now()));
        (ACT)(step);
    }
    const seconds = (performance.now() - first) / 1000;
    spent.sort((one, other) => one - other);
    return [steps / seconds, spent[Math.floor(spent.length / 2)]];
}"""
SCROLL = """() => document.dispatchEvent(
    new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }))"""
DRAG = """(step) => document.querySelector(".frame").dispatchEvent(
    new PointerEvent("pointermove", { pointerId: 1, clientX: 300 + 4 * step, clientY: 400 }))"""


def viewer_lines(files: list[Path]) -> Iterator[tuple[str, str, str]]:
    """Name, value and aim of each figure; the series are made of the slices in `files`."""
    executable = shutil.which("chromium")
    if executable is None:
        yield "viewer", "not measured", "Chromium is not installed"
        return
    headers = [read_header(path.read_bytes(), path.name, ReadLimits()) for path in files]
    hu = np.stack([read_pixels(header).hu for header in headers])
    with (
        tempfile.TemporaryDirectory() as folder,
        demo_clinic(Path(folder)) as clinic,
        chromium(executable) as browser,
    ):
        yield from speed_lines(browser, clinic, hu)
        yield from memory_lines(browser, clinic, hu)


def speed_lines(
    browser: Browser, clinic: LiveClinic, hu: NDArray[np.int16]
) -> Iterator[tuple[str, str, str]]:
    """First image, scrolling and windowing of a series of thin slices that is analysed."""
    study = send(clinic, resampled(hu, THIN_SLICES), f"N{THIN_SLICES}")
    session = clinic.log_in()
    wait_until(lambda: not clinic.is_busy(session), 1200, "the thin slices are analysed")
    with opened(browser, clinic, study) as page:
        first = page.evaluate("window.firstImage") / 1000
        yield f"{THIN_SLICES} slices: first image in HU after", f"{first:.2f} s", "aim: under 1 s"
        page.wait_for_function(f"fetched() >= {THIN_SLICES}", timeout=PATIENCE_MS)
        fetched = page.evaluate("performance.now()") / 1000
        yield f"{THIN_SLICES} slices: all fetched after", f"{fetched:.1f} s", ""
        page.keyboard.press("Home")
        rate, script = page.evaluate(MEASURE.replace("ACT", SCROLL), STEPS)
        yield "scrolling three windows", f"{rate:.0f} frames/s", "aim: 30 or more"
        yield "scrolling three windows, script a frame", f"{script:.1f} ms", ""
        page.keyboard.press("1")
        page.mouse.move(300, 400)
        page.mouse.down()
        rate, script = page.evaluate(MEASURE.replace("ACT", DRAG), STEPS)
        page.mouse.up()
        yield "window drag", f"{rate:.0f} frames/s", ""
        yield "window drag, script a frame", f"{script:.1f} ms", "aim: under 16 ms"


def memory_lines(
    browser: Browser, clinic: LiveClinic, hu: NDArray[np.int16]
) -> Iterator[tuple[str, str, str]]:
    """Memory of a tab in which a long series was seen from end to end."""
    study = send(clinic, resampled(hu, MANY_SLICES), f"N{MANY_SLICES}")
    with opened(browser, clinic, study) as page:
        for key in ("Home", "End"):
            page.keyboard.press(key)
            wait_for_quiet(page)
        memory = tab_memory_mib()
        yield f"tab memory, {MANY_SLICES} slices", f"{memory:.0f} MiB", "aim: under 500 MB"


def resampled(hu: NDArray[np.int16], n_slices: int) -> Iterator[NDArray[np.int16]]:
    """Yield `n_slices` slices, interpolated along the head."""
    for place in np.linspace(0, len(hu) - 1.001, n_slices):
        below, share = int(place), place % 1
        yield np.rint(hu[below] * (1 - share) + hu[below + 1] * share).astype(np.int16)


def send(clinic: LiveClinic, slices: Iterator[NDArray[np.int16]], name: str) -> str:
    """Upload a series of 0.7 mm slices; the path of its study."""
    session = clinic.log_in()
    token = token_of(session.get(f"{clinic.address}/upload", timeout=30))
    files = [
        ct_file(
            hu,
            PatientID=name,
            PatientName=name,
            StudyInstanceUID=f"1.2.826.0.1.{len(name)}.{name[1:]}",
            SeriesInstanceUID=f"1.2.826.0.2.{len(name)}.{name[1:]}",
            SOPInstanceUID=f"1.2.826.0.3.{name[1:]}.{number}",
            InstanceNumber=str(number),
            ImagePositionPatient=f"-120\\-120\\{number * 0.7:.1f}",
            SliceThickness="0.7",
        )
        for number, hu in enumerate(slices, start=1)
    ]
    answer = session.post(
        f"{clinic.address}/upload",
        data={"csrf_token": token},
        files=[("files", (f"{n}.dcm", content)) for n, content in enumerate(files)],
        timeout=1200,
    )
    answer.raise_for_status()
    return "/studies/" + answer.text.split("/studies/")[1].split('"')[0].split("?")[0]


@contextmanager
def opened(browser: Browser, clinic: LiveClinic, study: str) -> Iterator[Page]:
    """The study's page, reached by a click on a link to it."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        storage_state=log_in_by_form(browser, clinic),
        bypass_csp=True,  # waiting for a condition evaluates text
    )
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(clinic.address)
    page.wait_for_load_state("networkidle")  # who reads the list has the viewer's files by then
    page.locator(f"a[href^='{study}']").first.click()
    page.wait_for_function("window.firstImage", timeout=PATIENCE_MS)
    yield page
    context.close()


def wait_for_quiet(page: Page) -> None:
    """Return once no more slices come."""
    before = -1
    while (count := page.evaluate("fetched()")) != before:
        before = count
        page.wait_for_timeout(2000)


def tab_memory_mib() -> float:
    """Memory of the largest renderer process, shared pages by their share (PSS)."""
    found = [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if "--type=renderer" in (process / "cmdline").read_text():
                rollup = (process / "smaps_rollup").read_text()
                found.append(int(rollup.split("\nPss:")[1].split()[0]) / 1024)
        except OSError:
            continue
    return max(found)
