// What is written in the corners of the picture, and how a probability is put into words.

const TILT_DEGREES = 1;

/** A probability as the server's pages write it (`percent` in app/presentation.py). */
export function percent(probability) {
  if (probability < 0.01) return "< 1 %";
  return probability > 0.99 ? "> 99 %" : `${Math.round(probability * 100)} %`;
}

/** Slice, position, thickness, zoom, tilt: a line each. */
export function cornerText({ state, slice, view }) {
  const lines = [`${state.position + 1} / ${state.slices.length}`];
  if (slice.position_mm !== null) lines.push(`position ${slice.position_mm.toFixed(1)} mm`);
  if (slice.thickness_mm !== null) lines.push(`${slice.thickness_mm} mm thick`);
  lines.push(`zoom ${view.zoom.toFixed(1)}`);
  if (state.tilt_degrees > TILT_DEGREES) lines.push(`gantry tilt ${state.tilt_degrees}°`);
  if (!slice.spacing_mm) lines.push("pixel spacing unknown");
  if (!slice.sides) lines.push("orientation unknown");
  return lines.join("\n");
}

/** The value at a point of the slice. */
export function readout(slice, hu, point) {
  if (!hu || !point) return "";
  const [column, row] = [Math.floor(point.x), Math.floor(point.y)];
  return `${hu[row * slice.columns + column]} HU\ncolumn ${column}, row ${row}`;
}
