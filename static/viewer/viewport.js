// One frame: a slice through one window on a canvas, and above it heat map, measurements and texts.

import { aspect, extent, visibleRegion } from "./geometry.js";
import { markShapes, measurementShapes } from "./shapes.js";
import { greyTable, paint } from "./windowing.js";

const SIDES = ["left", "right", "top", "bottom"];
const SVG = "http://www.w3.org/2000/svg";

function addShape(name, className, put) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", className);
  put(made);
  return made;
}

// Writing what is there already makes the browser lay out anew all the same.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Viewport {
  #table;
  #tableOf = "";
  #painted = "";
  #placed = "";
  #over = "";
  #image;

  /** `figure` is one of the page's. */
  constructor(figure, window) {
    this.figure = figure;
    this.window = window;
    this.frame = figure.querySelector(".frame");
    this.svg = figure.querySelector("svg");
    this.picture = addShape("image", "picture", (made) => this.svg.prepend(made));
    this.picture.setAttribute("preserveAspectRatio", "none");
    this.heat = figure.querySelector(".heat");
    this.caption = figure.querySelector("figcaption");
    this.canvas = document.createElement("canvas");
    this.frame.prepend(this.canvas);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.marks = this.svg.querySelector(".marks");
    this.shapes = addShape("g", "shapes", (made) => this.marks.before(made));
    this.texts = Object.fromEntries(
      ["place", "cursor", "left", "right", "top", "bottom"].map((name) => [
        name,
        this.frame.querySelector(`.corner-${name}`),
      ]),
    );
    this.told = this.frame.querySelector(".problem");
    this.usePicture(null);
    this.measureFrame();
  }

  /** Remember the frame's size; asking for it in each frame would lay out the page each time. */
  measureFrame() {
    const { width, height } = this.frame.getBoundingClientRect();
    this.size = { width, height };
  }

  /** The slice point under the pointer, or null outside the slice. */
  pointAt({ clientX, clientY }, slice, view, strict = true) {
    const box = this.frame.getBoundingClientRect();
    const seen = visibleRegion(slice, view, this.size);
    const x = seen.x + (clientX - box.left) / seen.scale;
    const y = (seen.y + (clientY - box.top) / seen.scale) / aspect(slice);
    const inside = x >= 0 && y >= 0 && x < slice.columns && y < slice.rows;
    return inside || !strict ? { x, y } : null;
  }

  /** Show the slice; `hu` is undefined while it is on its way or where it cannot come. */
  show(slice, hu, { view, inverted, over }) {
    if (hu) this.#paintSlice(slice, hu, inverted);
    this.frame.classList.toggle("waiting", !hu);
    const seen = visibleRegion(slice, view, this.size);
    this.#place(slice, seen);
    this.#drawOver(slice, seen.scale, over);
    const { center, width, name } = this.window;
    write(this.caption, `${name} C ${center} W ${width}${inverted ? " inverted" : ""}`);
    for (const side of SIDES) this.write(side, slice.sides?.[side] ?? "");
  }

  /** Write a corner's text. */
  write(corner, text) {
    write(this.texts[corner], text);
  }

  /** Say on the image that it is not what was asked for; "" takes it back. */
  tell(sentence, failed) {
    write(this.told, sentence);
    this.frame.classList.toggle("failed", failed);
  }

  /** The server's picture in place of the canvas, or the canvas again (null). */
  usePicture(address) {
    const other = address !== null && this.picture.getAttribute("href") !== address;
    if (other) this.picture.setAttribute("href", address);
    this.canvas.hidden = address !== null;
    this.picture.toggleAttribute("hidden", address === null);
  }

  #paintSlice(slice, hu, inverted) {
    const { center, width } = this.window;
    const shownBy = `${center} ${width} ${inverted}`;
    if (this.#tableOf !== shownBy) this.#table = greyTable(this.window, inverted);
    this.#tableOf = shownBy;
    if (this.#painted === `${slice.instance} ${shownBy}`) return;
    this.#painted = `${slice.instance} ${shownBy}`;
    if (this.#image?.width !== slice.columns || this.#image.height !== slice.rows) {
      this.canvas.width = slice.columns;
      this.canvas.height = slice.rows;
      this.#image = this.context.createImageData(slice.columns, slice.rows);
    }
    paint(hu, this.#table, new Uint32Array(this.#image.data.buffer));
    this.context.putImageData(this.#image, 0, 0);
  }

  #drawOver(slice, scale, { measurements, marks, changes }) {
    const drawn = `${slice.instance} ${scale} ${changes}`;
    if (this.#over === drawn) return;
    this.#over = drawn;
    const shapes = measurements.flatMap((one) => measurementShapes(one, slice, scale));
    this.shapes.replaceChildren(...shapes);
    this.marks.replaceChildren(...marks.flatMap((one) => markShapes(one, slice, scale)));
  }

  #place(slice, seen) {
    const { width, height } = extent(slice);
    const placed = `${width} ${height} ${seen.x} ${seen.y} ${seen.scale}`;
    if (this.#placed === placed) return;
    this.#placed = placed;
    const { style } = this.canvas;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `scale(${seen.scale}) translate(${-seen.x}px, ${-seen.y}px)`;
    this.svg.setAttribute("viewBox", `${seen.x} ${seen.y} ${seen.width} ${seen.height}`);
    for (const image of [this.picture, this.heat]) {
      image?.setAttribute("width", width);
      image?.setAttribute("height", height);
    }
  }
}
