// The reading page: starts the viewer and keeps the rest of the page on the slice in view.

import { registerCommands } from "./viewer/commands.js";
import { listenToCrosshair } from "./viewer/crosshair.js";
import { listMeasurements } from "./viewer/measurement_list.js";
import { listenToPointer } from "./viewer/pointer.js";
import { Strip } from "./viewer/strip.js";
import { percent } from "./viewer/texts.js";
import { Viewer } from "./viewer/viewer.js";

const SETTLE_MS = 150;

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const section = document.getElementById("images");
const presets = new Map(read("presets").map((window) => [window.name, window]));
const viewer = new Viewer(section, read("slices"), presets);
const strip = new Strip(document.getElementById("strip"), viewer);

// Writing what is there already makes the browser lay out anew all the same.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The picture takes what the lines above it leave of the screen.
function fillScreen() {
  const { top } = section.parentElement.getBoundingClientRect();
  section.style.setProperty("--above", `${Math.ceil(top + scrollY)}px`);
}

function showNumbers() {
  const { state, slice } = viewer;
  write(document.getElementById("number"), String(state.position + 1));
  write(document.getElementById("total"), String(state.slices.length));
  for (const cell of document.querySelectorAll("#findings [data-label]")) {
    const { probabilities } = slice;
    write(cell, probabilities ? percent(probabilities[cell.dataset.label]) : "–");
  }
  strip.show();
  for (const { svg, window } of viewer.viewports) {
    const name = `Slice ${state.position + 1} of ${state.slices.length}, ${window.name} window`;
    svg.setAttribute("aria-label", name);
  }
}

// The address, the label links and the verdict form all keep the slice in view.
function rememberPlace() {
  const at = (address) => {
    const url = new URL(address, location.href);
    url.searchParams.set("slice", viewer.state.position + 1);
    if (viewer.heat.visible) url.searchParams.set("heat", 1);
    else url.searchParams.delete("heat");
    return url;
  };
  history.replaceState(null, "", at(location.href));
  for (const link of document.querySelectorAll(".findings th a")) link.href = at(link.href);
  for (const form of document.querySelectorAll(".verdict form")) form.action = at(form.action);
}

// The attributes come from the server, for the slice that is in view once it stays there.
async function showAttributes() {
  const shown = document.getElementById("metadata");
  const { position } = viewer.state;
  if (!shown.open) write(shown.querySelector("summary .number"), String(position + 1));
  if (!shown.open || shown.dataset.position === String(position)) return;
  const answer = await fetch(location.href);
  if (!answer.ok || position !== viewer.state.position) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("metadata");
  // Only texts change: whoever has the keyboard on the summary keeps it there.
  write(shown.querySelector("summary .number"), String(position + 1));
  shown.querySelector("dl").replaceWith(fresh.querySelector("dl"));
  shown.dataset.position = position;
}

// Browsers refuse more than some hundred changes of the address in half a minute.
let settling;

function settle() {
  clearTimeout(settling);
  settling = setTimeout(() => {
    rememberPlace();
    showAttributes();
  }, SETTLE_MS);
}

const showMeasurements = () => listMeasurements(document.getElementById("measured"), viewer);

let pressedBefore = "";

function showPressed() {
  const pressed = {
    heat: viewer.heat.visible,
    invert: viewer.inverted,
    length: viewer.tool === "length",
    region: viewer.tool === "region",
    window: viewer.tool === "window",
    all: !viewer.single,
  };
  for (const name of [...presets.keys(), "file"]) {
    pressed[`window-${name}`] = viewer.single && viewer.viewports[0].window.name === name;
  }
  const now = JSON.stringify([pressed, Boolean(viewer.slice.window)]);
  if (now === pressedBefore) return;
  pressedBefore = now;
  for (const [name, is] of Object.entries(pressed)) {
    section.querySelector(`[data-runs="${name}"]`)?.setAttribute("aria-pressed", String(is));
  }
  section.querySelector("[data-runs='window-file']").disabled = !viewer.slice.window;
}

document.addEventListener("falx:slice", showNumbers);
document.addEventListener("falx:drawn", () => {
  showPressed();
  settle();
});
document.addEventListener("refreshed", () => {
  pressedBefore = "";
  viewer.update(read("slices"));
  showMeasurements();
  showHeatControls();
});
document.addEventListener("falx:marks", ({ detail }) => {
  viewer.marks = detail;
});
document.addEventListener("falx:measured", showMeasurements);
addEventListener("online", () => viewer.fetchAgain());
// Not at once: the address, by which they are fetched, follows the slice with a delay.
document.getElementById("metadata").addEventListener("toggle", settle);

// The map's label and strength. A refreshed page brings new controls, which know of no choice.
let opacity = "";

function showHeatControls() {
  const [label, strength] = ["heat-label", "heat-opacity"].map((id) => document.getElementById(id));
  if (label) label.value = viewer.heat.label;
  if (strength && opacity) strength.value = opacity;
}

document.addEventListener("input", ({ target }) => {
  if (target.id === "heat-opacity") {
    opacity = target.value;
    section.style.setProperty("--heat-opacity", opacity);
  }
  if (target.id === "heat-label") {
    viewer.heat.label = target.value;
    viewer.draw();
  }
});

const lines = new ResizeObserver(fillScreen);
for (const line of section.closest("main").querySelectorAll(".patient, .claim")) lines.observe(line);
fillScreen();
for (const viewport of viewer.viewports) listenToPointer(viewport, viewer);
registerCommands(viewer);
listenToCrosshair(viewer);
section.classList.add("viewing");
showMeasurements();
viewer.show(viewer.state.position);
