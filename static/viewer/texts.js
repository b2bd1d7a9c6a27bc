// What is written in the corners of the picture.

const TILT_DEGREES = 1;

/** Slice, position, thickness, zoom, tilt: a line each. */
export function cornerText({ state, slice, view }) {
  const lines = [`${state.position + 1} / ${state.slices.length}`];
  if (slice.position_mm !== null) lines.push(`position ${slice.position_mm.toFixed(1)} mm`);
  if (slice.thickness_mm !== null) lines.push(`${slice.thickness_mm} mm thick`);
  lines.push(`zoom ${view.zoom.toFixed(1)}`);
  if (state.tilt_degrees > TILT_DEGREES) lines.push(`gantry tilt ${state.tilt_degrees}°`);
  if (!slice.spacing_mm) lines.push("pixel spacing unknown");
  if (!slice.orientation) lines.push("orientation unknown");
  return lines.join("\n");
}

/** The value under the pointer. */
export function readout(viewport, cursor, slice, hu, view) {
  if (!hu || cursor?.viewport !== viewport) return "";
  const point = viewport.pointAt(cursor.event, slice, view);
  if (!point) return "";
  const [column, row] = [Math.floor(point.x), Math.floor(point.y)];
  return `${hu[row * slice.columns + column]} HU\ncolumn ${column}, row ${row}`;
}
