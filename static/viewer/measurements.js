// Lengths in mm and regions in HU: what they are, their figures and their shapes.

import { aspect, distance, pixelArea } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const TEXT_PIXELS = 13;

/** Mean and standard deviation in HU of the pixels whose centre lies in the box's ellipse. */
function ellipseStatistics(hu, columns, { x0, y0, x1, y1 }) {
  const [cx, cy, a, b] = [(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2];
  let [n, sum, squares] = [0, 0, 0];
  for (let row = y0; row < y1; row += 1) {
    for (let column = x0; column < x1; column += 1) {
      if (((column + 0.5 - cx) / a) ** 2 + ((row + 0.5 - cy) / b) ** 2 > 1) continue;
      const value = hu[row * columns + column];
      n += 1;
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / n;
  return { n, mean, sd: Math.sqrt(Math.max(0, squares / n - mean * mean)) };
}

/** The box between two points, on whole pixels and inside the slice; null if it holds none. */
function boxBetween({ rows, columns }, from, to) {
  const within = (value, end) => Math.min(end, Math.max(0, Math.round(value)));
  const [x0, x1] = [from.x, to.x].map((x) => within(x, columns)).sort((p, q) => p - q);
  const [y0, y1] = [from.y, to.y].map((y) => within(y, rows)).sort((p, q) => p - q);
  return x1 > x0 && y1 > y0 ? { x0, y0, x1, y1 } : null;
}

export function lengthOf(slice, from, to) {
  const unit = slice.spacing_mm ? "mm" : "pixels";
  return { kind: "length", from, to, text: `${distance(slice, from, to).toFixed(1)} ${unit}` };
}

export function regionOf(slice, hu, from, to) {
  const box = boxBetween(slice, from, to);
  if (!box) return null;
  const { n, mean, sd } = ellipseStatistics(hu, slice.columns, box);
  const pixel = pixelArea(slice);
  const area_mm2 = pixel === null ? null : n * pixel;
  const size = area_mm2 === null ? `${n} pixels` : `${area_mm2.toFixed(0)} mm²`;
  return {
    kind: "region", box, mean, sd, area_mm2,
    text: `${mean.toFixed(1)} ± ${sd.toFixed(1)} HU, ${size}`,
  };
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** SVG shapes of a measurement in units of the slice; `scale` is screen pixels a unit. */
export function shapesOf(measurement, slice, scale) {
  const high = aspect(slice);
  const label = (x, y) => {
    const text = shape("text", { x: x + 6 / scale, y, "font-size": TEXT_PIXELS / scale });
    text.textContent = measurement.text;
    return text;
  };
  if (measurement.kind === "length") {
    const { from, to } = measurement;
    const ends = { x1: from.x, y1: from.y * high, x2: to.x, y2: to.y * high };
    return [shape("line", ends), label(to.x, to.y * high)];
  }
  const { x0, y0, x1, y1 } = measurement.box;
  const [cx, cy] = [(x0 + x1) / 2, ((y0 + y1) / 2) * high];
  const ellipse = shape("ellipse", { cx, cy, rx: (x1 - x0) / 2, ry: ((y1 - y0) / 2) * high });
  return [ellipse, label(x1, cy)];
}
