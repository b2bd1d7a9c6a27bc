// SVG shapes of measurements and of regions that readers marked, in units of the slice.

import { aspect } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const TEXT_PIXELS = 13;
const GAP_PIXELS = 6;
const CROSS_PIXELS = 12;

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function words(told, x, y, scale, anchor = "start") {
  const text = shape("text", { x, y, "font-size": TEXT_PIXELS / scale, "text-anchor": anchor });
  text.textContent = told;
  return text;
}

function ellipseIn({ x0, y0, x1, y1 }, high) {
  const [cx, cy] = [(x0 + x1) / 2, ((y0 + y1) / 2) * high];
  return shape("ellipse", { cx, cy, rx: (x1 - x0) / 2, ry: ((y1 - y0) / 2) * high });
}

// Beside what was measured, from x0 to x1, where the slice leaves more room.
function wordsBeside(told, x0, x1, y, { columns }, scale) {
  const gap = GAP_PIXELS / scale;
  return columns - x1 >= x0
    ? words(told, x1 + gap, y, scale)
    : words(told, x0 - gap, y, scale, "end");
}

function crossAt({ x, y }, high, scale) {
  const arm = CROSS_PIXELS / scale;
  const [across, down] = [x, y * high];
  return [
    shape("line", { x1: across - arm, x2: across + arm, y1: down, y2: down }),
    shape("line", { x1: across, x2: across, y1: down - arm, y2: down + arm }),
  ];
}

/** Shapes of a measurement, or of the cross; `scale` is screen pixels a unit. */
export function measurementShapes({ kind, at, from, to, box, text }, slice, scale) {
  const high = aspect(slice);
  if (kind === "cross") return crossAt(at, high, scale);
  if (kind === "length") {
    const [left, right] = from.x <= to.x ? [from, to] : [to, from];
    const ends = { x1: from.x, y1: from.y * high, x2: to.x, y2: to.y * high };
    const y = (slice.columns - right.x >= left.x ? right : left).y * high;
    return [shape("line", ends), wordsBeside(text, left.x, right.x, y, slice, scale)];
  }
  const middle = ((box.y0 + box.y1) / 2) * high;
  return [ellipseIn(box, high), wordsBeside(text, box.x0, box.x1, middle, slice, scale)];
}

/** Shapes of a marked region, with its label and who marked it above it. */
export function markShapes({ label, who, ...box }, slice, scale) {
  const high = aspect(slice);
  const ellipse = ellipseIn(box, high);
  ellipse.setAttribute("class", who === "you" ? "own" : "others");
  const above = box.y0 * high - (GAP_PIXELS + TEXT_PIXELS / 2) / scale;
  return [ellipse, words(`${label} (${who})`, box.x0, above, scale)];
}
