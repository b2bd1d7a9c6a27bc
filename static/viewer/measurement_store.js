// A reader's measurements of a series, kept in this browser (localStorage, "falx.measured. ...").
//
// They are for the eye that made them: what belongs to the record is marked in the verdict. Ids are
// random and nothing names the patient.

const PREFIX = "falx.measured.";
const MOST_SERIES = 50;

const read = (key) => {
  try {
    const { at, slices } = JSON.parse(localStorage.getItem(key));
    return { at: Number(at) || 0, slices: new Map(Object.entries(slices)) };
  } catch {
    return { at: 0, slices: new Map() }; // none, storage is off, or it was damaged
  }
};

function forgetOldest() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  if (keys.length <= MOST_SERIES) return;
  const newestFirst = keys.sort((one, other) => read(other).at - read(one).at);
  for (const key of newestFirst.slice(MOST_SERIES)) localStorage.removeItem(key);
}

export class MeasurementStore {
  #key;
  #slices;

  /** `owner` names reader and series. */
  constructor(owner) {
    this.#key = PREFIX + owner;
    this.#slices = read(this.#key).slices;
  }

  /** The measurements of a slice, the oldest first. */
  of({ instance }) {
    return this.#slices.get(instance) ?? [];
  }

  /** Keep these, in place of what there was of the slice. */
  keep({ instance }, measurements) {
    if (measurements.length) this.#slices.set(instance, measurements);
    else this.#slices.delete(instance);
    try {
      if (this.#slices.size) this.#write();
      else localStorage.removeItem(this.#key);
    } catch {
      // Storage is off or full: they hold until the page is left.
    }
  }

  #write() {
    const slices = Object.fromEntries(this.#slices);
    localStorage.setItem(this.#key, JSON.stringify({ at: Date.now(), slices }));
    forgetOldest();
  }
}
