// What is in view: slice, windows, zoom, layout, measurements and marks; draws it once a frame.
//
// Each change of slice is told to the page: CustomEvent("falx:slice", {detail: {position, instance}}).
// Each change of the measurements is, too: Event("falx:measured").

import { FITTED } from "./geometry.js";
import { HeatMap } from "./heat.js";
import { MeasurementStore } from "./measurement_store.js";
import { lengthOf, regionOf } from "./measurements.js";
import { SliceStore } from "./slice_store.js";
import { cornerText, readout } from "./texts.js";
import { Viewport } from "./viewport.js";

const MOST_ZOOM = 24;
const LEAST_ZOOM = 0.5;

export class Viewer {
  #scheduled = false;
  #cursor = null; // {viewport, event} while the pointer is over a frame
  #marks = []; // regions of all slices, as app/reading/marks.py makes them
  #draft = null; // the measurement that is being drawn
  #cross = null; // {x, y} in pixels of the slice, where keys measure
  #changes = 0; // of all that is drawn over the slice

  /** `presets` are the display windows by name; `state` is what the page says of the series. */
  constructor(section, state, presets) {
    this.section = section;
    this.state = state;
    this.presets = presets;
    this.viewports = [...section.querySelectorAll(".viewport")].map(
      (figure) => new Viewport(figure, presets.get(figure.dataset.window)),
    );
    this.heat = new HeatMap(this.viewports[0].heat, state);
    this.store = new SliceStore(state.slices, (slice) => slice === this.slice && this.draw());
    this.measured = new MeasurementStore(section.dataset.keeps);
    this.view = FITTED;
    this.inverted = false;
    this.tool = "";
    // At once: the frame must not be seen in its new size with what fitted the old one.
    const resized = new ResizeObserver(() => {
      for (const viewport of this.viewports) viewport.measureFrame();
      this.#draw();
    });
    for (const { frame } of this.viewports) resized.observe(frame);
  }

  get slice() {
    return this.state.slices[this.state.position];
  }

  get single() {
    return this.section.classList.contains("single");
  }

  /** Bring a slice into view, 0 for the lowest. */
  show(position) {
    const last = this.state.slices.length - 1;
    this.state.position = Math.max(0, Math.min(last, position));
    this.store.focus(this.state.position);
    this.followFileWindow();
    this.draw();
    const detail = { position: this.state.position, instance: this.slice.instance };
    document.dispatchEvent(new CustomEvent("falx:slice", { detail }));
  }

  step(slices) {
    this.show(this.state.position + slices);
  }

  /** The nearest slice that reaches the flag threshold of the label in view, on (1) or back (-1). */
  toFlagged(direction) {
    const { slices, position, label, alert_from: threshold } = this.state;
    for (let place = position + direction; slices[place]; place += direction) {
      const { probabilities } = slices[place];
      if (threshold !== null && probabilities?.[label] >= threshold) return this.show(place);
    }
  }

  /** The page's state has changed: a result has come, or more slices. */
  update(state) {
    // New slices may lie below the one in view, which stays.
    const { instance } = this.slice;
    const position = state.slices.findIndex((slice) => slice.instance === instance);
    this.state = { ...state, position: Math.max(0, position) };
    this.store.slices = state.slices;
    this.heat.update(state);
    this.show(this.state.position);
  }

  /** Ask once more for what could not be fetched. */
  fetchAgain() {
    this.store.focus(this.state.position);
    this.draw();
  }

  /** All three windows side by side, as they were at first. */
  showAll() {
    this.section.classList.remove("single");
    for (const viewport of this.viewports) {
      viewport.window = this.presets.get(viewport.figure.dataset.window);
    }
    this.draw();
  }

  /** One large picture through a preset; "file" is the window that the file proposes. */
  showOne(name) {
    const window = name === "file" ? this.slice.window : this.presets.get(name);
    if (!window) return;
    this.section.classList.add("single");
    this.viewports[0].window = { ...window, name };
    this.draw();
  }

  // The file may propose another window for each slice.
  followFileWindow() {
    const [first] = this.viewports;
    if (first.window.name === "file" && this.slice.window) {
      first.window = { ...this.slice.window, name: "file" };
    }
  }

  setWindow(viewport, center, width) {
    const name = "own";
    viewport.window = { name, center: Math.round(center), width: Math.max(1, Math.round(width)) };
    this.draw();
  }

  /** The large picture's window: its center moved by a share of the width, its width multiplied. */
  changeWindow(shift, factor) {
    const [large] = this.viewports;
    const { center, width } = large.window;
    const least = (value) => Math.sign(value) * Math.max(1, Math.abs(value)); // HU, or nothing moves
    const wider = width + (factor === 1 ? 0 : least(width * factor - width));
    this.setWindow(large, center + (shift && least(shift * width)), wider);
  }

  /** Move what is seen by shares of it. */
  panBy(right, down) {
    const { x, y, zoom } = this.view;
    this.setView({ x: x + right / zoom, y: y + down / zoom, zoom });
  }

  setView({ x, y, zoom }) {
    const share = (value) => Math.max(0, Math.min(1, value));
    const bounded = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, zoom));
    this.view = { x: share(x), y: share(y), zoom: bounded };
    this.draw();
  }

  /** Zoom by a factor; the point {x, y} in shares of the slice stays where it is. */
  zoomBy(factor, { x, y } = this.view) {
    const zoom = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, this.view.zoom * factor));
    const kept = this.view.zoom / zoom;
    this.setView({ x: x + (this.view.x - x) * kept, y: y + (this.view.y - y) * kept, zoom });
  }

  fit() {
    this.setView(FITTED);
  }

  invert() {
    this.inverted = !this.inverted;
    this.draw();
  }

  /** Take up a tool (window, length, region), or put it down. */
  use(tool) {
    this.tool = this.tool === tool ? "" : tool;
    this.#draft = null;
    this.cross = null;
  }

  /** Whether a tool is in hand that measures. */
  get measuring() {
    return this.tool === "length" || this.tool === "region";
  }

  get cross() {
    return this.#cross;
  }

  set cross(point) {
    this.#cross = point;
    this.#drawOver();
  }

  /** What the tool in hand measures between two points of the slice in view, or null. */
  measure(from, to) {
    const hu = this.store.get(this.slice);
    if (!hu) return null;
    return this.tool === "length"
      ? lengthOf(this.slice, from, to)
      : regionOf(this.slice, hu, from, to);
  }

  /** Show a measurement that is not finished; null: none. */
  sketch(measurement) {
    this.#draft = measurement;
    this.#drawOver();
  }

  /** Keep what was measured on the slice in view (null: nothing), and put the tool down. */
  finishMeasurement(measurement) {
    this.use(this.tool);
    if (!measurement) return;
    this.#keepMeasurements(this.slice, [...this.measured.of(this.slice), measurement]);
    if (measurement.kind === "region") this.#tellRegion(measurement);
  }

  #tellRegion({ box, mean, sd, area_mm2 }) {
    const place = { instance: this.slice.instance, position: this.state.position };
    const detail = { ...place, ...box, mean, sd, area_mm2 };
    document.dispatchEvent(new CustomEvent("falx:region", { detail }));
  }

  removeMeasurement(slice, measurement) {
    const left = this.measured.of(slice).filter((one) => one !== measurement);
    this.#keepMeasurements(slice, left);
  }

  /** Remove what was measured last on the slice in view. */
  removeLastMeasurement() {
    this.#keepMeasurements(this.slice, this.measured.of(this.slice).slice(0, -1));
  }

  #keepMeasurements(slice, measurements) {
    this.measured.keep(slice, measurements);
    this.#drawOver();
    document.dispatchEvent(new Event("falx:measured"));
  }

  set marks(all) {
    this.#marks = all;
    this.#drawOver();
  }

  #drawOver() {
    this.#changes += 1;
    this.draw();
  }

  /** What lies over the slice in view; `changes` tells whether it is still the same. */
  get #over() {
    const { slice } = this;
    const measured = this.measured.of(slice);
    const cross = this.#cross && { kind: "cross", at: this.#cross };
    return {
      measurements: [...measured, this.#draft, cross].filter(Boolean),
      marks: this.#marks.filter(({ instance }) => instance === slice.instance),
      changes: this.#changes,
    };
  }

  pointTo(viewport, event) {
    this.#cursor = event && { viewport, event };
    this.draw();
  }

  /** Draw with the next frame, however much has changed until then. */
  draw() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const { slice, view, inverted } = this;
    const over = this.#over;
    const hu = this.store.get(slice);
    const problem = this.store.problem(slice);
    for (const viewport of this.viewports) {
      if (this.single && viewport !== this.viewports[0]) continue;
      viewport.show(slice, hu, { view, inverted, over });
      if (hu) viewport.usePicture(null);
      else if (problem) viewport.usePicture(this.#pictureOf(viewport));
      viewport.tell(this.#sentence(hu, problem), Boolean(problem));
      viewport.write("cursor", readout(slice, hu, this.#pointIn(viewport)));
    }
    this.viewports[0].write("place", cornerText(this));
    this.heat.show(slice);
    document.dispatchEvent(new CustomEvent("falx:drawn"));
  }

  /** Where in the slice the pointer, or the cross, is in a frame; null: nowhere. */
  #pointIn(viewport) {
    if (this.#cross) return viewport === this.viewports[0] ? this.#cross : null;
    if (this.#cursor?.viewport !== viewport) return null;
    return viewport.pointAt(this.#cursor.event, this.slice, this.view);
  }

  #pictureOf({ window }) {
    const name = this.presets.has(window.name) ? window.name : "brain";
    return `/instances/${this.slice.instance}/${name}.png`;
  }

  #sentence(hu, problem) {
    if (hu) return "";
    if (!problem) return `Slice ${this.state.position + 1} is on its way.`;
    return (
      `The Hounsfield units of this slice could not be fetched: ${problem}. This is the server's ` +
      "picture; only the presets' windows work on it, and nothing can be measured."
    );
  }
}
