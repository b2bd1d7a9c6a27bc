// The viewer's keyboard commands and buttons.

import { command } from "../keys.js";

const FEW = 5;
const ZOOM_STEP = 1.25;
const PAN_STEP = 0.1; // of what is seen
const LEVEL_STEP = 0.05; // of the window's width
const WIDTH_STEP = 1.1;

function moving(viewer) {
  const last = () => viewer.state.slices.length - 1;
  const moves = {
    previous: ["ArrowUp", "Previous slice", () => viewer.step(-1)],
    next: ["ArrowDown", "Next slice", () => viewer.step(1)],
    "previous-few": ["PageUp", "Five slices back", () => viewer.step(-FEW)],
    "next-few": ["PageDown", "Five slices on", () => viewer.step(FEW)],
    first: ["Home", "Lowest slice", () => viewer.show(0)],
    last: ["End", "Highest slice", () => viewer.show(last())],
    "previous-flagged": [",", "Previous flagged slice, for the label in view", () => viewer.toFlagged(-1)],
    "next-flagged": [".", "Next flagged slice, for the label in view", () => viewer.toFlagged(1)],
    "zoom-in": ["+", "Zoom in", () => viewer.zoomBy(ZOOM_STEP)],
    "zoom-out": ["-", "Zoom out", () => viewer.zoomBy(1 / ZOOM_STEP)],
    "pan-left": ["Shift+ArrowLeft", "Look further left", () => viewer.panBy(-PAN_STEP, 0)],
    "pan-right": ["Shift+ArrowRight", "Look further right", () => viewer.panBy(PAN_STEP, 0)],
    "pan-up": ["Shift+ArrowUp", "Look further up", () => viewer.panBy(0, -PAN_STEP)],
    "pan-down": ["Shift+ArrowDown", "Look further down", () => viewer.panBy(0, PAN_STEP)],
    brighter: ["Shift+PageUp", "Brighter", () => viewer.changeWindow(-LEVEL_STEP, 1)],
    darker: ["Shift+PageDown", "Darker", () => viewer.changeWindow(LEVEL_STEP, 1)],
    narrower: ["Shift+Home", "Narrower window: more contrast", () => viewer.changeWindow(0, 1 / WIDTH_STEP)],
    wider: ["Shift+End", "Wider window: less contrast", () => viewer.changeWindow(0, WIDTH_STEP)],
  };
  for (const [name, [key, does, run]] of Object.entries(moves)) {
    command(name, { key, does, run, repeats: true });
  }
}

function windows(viewer) {
  command("all", { key: "0", does: "Three windows side by side", run: () => viewer.showAll() });
  for (const [index, name] of [...viewer.presets.keys(), "file"].entries()) {
    const does = name === "file" ? "The file's own window" : `Window: ${name.replace("-", " ")}`;
    command(`window-${name}`, { key: `${index + 1}`, does, run: () => viewer.showOne(name) });
  }
}

function toggleFullScreen(section) {
  if (document.fullscreenElement) document.exitFullscreen();
  else section.requestFullscreen?.();
}

function toggleHeat(viewer) {
  viewer.heat.toggle();
  viewer.draw();
}

export function registerCommands(viewer) {
  moving(viewer);
  windows(viewer);
  const others = {
    heat: ["h", "Show or hide the map", () => toggleHeat(viewer)],
    invert: ["i", "Invert grey levels", () => viewer.invert()],
    window: ["w", "Change the window with a finger", () => viewer.use("window")],
    length: ["l", "Measure a length in mm: drag, or Enter and arrows", () => viewer.use("length")],
    region: ["r", "Mean HU in a region: drag, or Enter and arrows", () => viewer.use("region")],
    erase: ["Delete", "Remove the slice's last measurement", () => viewer.removeLastMeasurement()],
    "fetch-again": ["g", "Fetch a slice again that could not be fetched", () => viewer.fetchAgain()],
    fit: ["c", "Centre and fit the image", () => viewer.fit()],
    "full-screen": ["f", "Full screen", () => toggleFullScreen(viewer.section)],
  };
  for (const [name, [key, does, run]] of Object.entries(others)) command(name, { key, does, run });
}
