// Where things are: pixels, millimetres, and what of a slice is in view.
//
// A point {x, y} is in pixels of the slice: pixel (column, row) covers [column, column + 1) and
// [row, row + 1). On the screen a pixel is 1 unit wide and `aspect` units high.

/** The whole slice, centred: {x, y} are shares of its width and height, zoom 1 fits the frame. */
export const FITTED = { x: 0.5, y: 0.5, zoom: 1 };

/** Height of a pixel over its width. */
export const aspect = ({ spacing_mm: mm }) => (mm ? mm[0] / mm[1] : 1);

/** Width and height of the slice in units. */
export const extent = (slice) => ({ width: slice.columns, height: slice.rows * aspect(slice) });

/** The part of the slice that a frame of this size shows, in units. */
export function visibleRegion(slice, view, frame) {
  const whole = extent(slice);
  const scale = view.zoom * Math.min(frame.width / whole.width, frame.height / whole.height);
  const width = frame.width / scale;
  const height = frame.height / scale;
  const x = view.x * whole.width - width / 2;
  const y = view.y * whole.height - height / 2;
  return { x, y, width, height, scale };
}

/** Distance of two points in mm, or in pixels where the file states no spacing. */
export function distance(slice, from, to) {
  const [high, wide] = slice.spacing_mm ?? [1, 1];
  return Math.hypot((to.x - from.x) * wide, (to.y - from.y) * high);
}

/** The area of a pixel in mm², or null. */
export const pixelArea = ({ spacing_mm: mm }) => (mm ? mm[0] * mm[1] : null);
