// SVG shapes of measurements and of regions that readers marked, in units of the slice.

import { aspect } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const TEXT_PIXELS = 13;
const GAP_PIXELS = 6;

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function words(told, x, y, scale) {
  const text = shape("text", { x, y, "font-size": TEXT_PIXELS / scale });
  text.textContent = told;
  return text;
}

function ellipseIn({ x0, y0, x1, y1 }, high) {
  const [cx, cy] = [(x0 + x1) / 2, ((y0 + y1) / 2) * high];
  return shape("ellipse", { cx, cy, rx: (x1 - x0) / 2, ry: ((y1 - y0) / 2) * high });
}

/** Shapes of a measurement; `scale` is screen pixels a unit. */
export function measurementShapes({ kind, from, to, box, text }, slice, scale) {
  const high = aspect(slice);
  const gap = GAP_PIXELS / scale;
  if (kind === "length") {
    const ends = { x1: from.x, y1: from.y * high, x2: to.x, y2: to.y * high };
    return [shape("line", ends), words(text, to.x + gap, to.y * high, scale)];
  }
  const middle = ((box.y0 + box.y1) / 2) * high;
  return [ellipseIn(box, high), words(text, box.x1 + gap, middle, scale)];
}

/** Shapes of a marked region, with its label and who marked it above it. */
export function markShapes({ label, who, ...box }, slice, scale) {
  const high = aspect(slice);
  const ellipse = ellipseIn(box, high);
  ellipse.setAttribute("class", who === "you" ? "own" : "others");
  const above = box.y0 * high - (GAP_PIXELS + TEXT_PIXELS / 2) / scale;
  return [ellipse, words(`${label} (${who})`, box.x0, above, scale)];
}
