// The strip below the picture: one slider along the series, for pointer and keyboard.

import { percent } from "./texts.js";

export class Strip {
  #viewer;
  #track;
  #here;

  constructor(track, viewer) {
    this.#track = track;
    this.#viewer = viewer;
    this.#here = document.getElementById("strip-here");
    track.setAttribute("role", "slider");
    track.setAttribute("aria-label", "Slice");
    track.setAttribute("aria-valuemin", 1);
    track.tabIndex = 0;
    track.addEventListener("pointerdown", (event) => {
      track.setPointerCapture(event.pointerId);
      this.#goTo(event);
    });
    track.addEventListener("pointermove", (event) => {
      if (track.hasPointerCapture(event.pointerId)) this.#goTo(event);
    });
    track.addEventListener("keydown", (event) => this.#step(event));
  }

  /** Follow the slice in view. */
  show() {
    const { state, slice } = this.#viewer;
    const box = `0 0 ${state.slices.length} 100`;
    if (this.#here.getAttribute("viewBox") !== box) this.#here.setAttribute("viewBox", box);
    this.#here.firstElementChild.setAttribute("x", state.position);
    this.#track.setAttribute("aria-valuemax", state.slices.length);
    this.#track.setAttribute("aria-valuenow", state.position + 1);
    this.#track.setAttribute("aria-valuetext", this.#inWords(state, slice));
  }

  #inWords({ position, slices, label }, { probabilities }) {
    const place = `${position + 1} of ${slices.length}`;
    if (probabilities) return `${place}, ${label} ${percent(probabilities[label])}`;
    const { unknown } = document.getElementById("strip-drawing").dataset;
    return unknown ? `${place}, ${unknown}` : place;
  }

  #goTo({ clientX }) {
    const { left, width } = this.#track.getBoundingClientRect();
    const { slices, position } = this.#viewer.state;
    const wanted = Math.floor(((clientX - left) / width) * slices.length);
    if (wanted !== position) this.#viewer.show(wanted);
  }

  #step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#viewer.step(by);
  }
}
