// Lengths in mm and regions in HU: what they are, and their figures.

import { distance, pixelArea } from "./geometry.js";

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
