// Windowing as the server does it (model/windowing.py): LINEAR_EXACT, DICOM PS3.3 C.11.2.1.3.2.

const OPAQUE = 0xff000000;

/** To the nearest whole number, halves to the even one, as NumPy's rint. */
function rint(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/** Grey level 0..255 of a value in HU. */
function greyOf(hu, { center, width }) {
  const share = (hu - (center - width / 2)) / width;
  return rint(Math.min(1, Math.max(0, share)) * 255);
}

/** Colours of all 16-bit HU, indexed by the value's 16 bits; each is one pixel of an ImageData. */
export function greyTable(window, inverted) {
  const table = new Uint32Array(65536);
  for (let bits = 0; bits < 65536; bits += 1) {
    const grey = greyOf((bits << 16) >> 16, window);
    const shown = inverted ? 255 - grey : grey;
    table[bits] = OPAQUE | (shown << 16) | (shown << 8) | shown;
  }
  return table;
}

/** Fill `pixels`, Uint32Array of an ImageData, with the slice as the table shows it. */
export function paint(hu, table, pixels) {
  for (let i = 0; i < hu.length; i += 1) pixels[i] = table[hu[i] & 0xffff];
}
