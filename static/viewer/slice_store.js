// Fetches slices in Hounsfield units, the one in view first and then its neighbours, nearest first;
// keeps as many as a budget allows and forgets the farthest.

const BUDGET_BYTES = 160 * 2 ** 20; // 320 slices of 512 x 512; a browser needs as much again
const PARALLEL = 4; // of the six connections that browsers open to a server
const BYTES_A_PIXEL = 2;

/** One slice's HU, Int16Array[rows * columns], row after row. */
export async function fetchHu(slice) {
  const answer = await fetch(`/instances/${slice.instance}/hu`);
  if (answer.redirected) throw new Error("you are no longer logged in (log in in another tab)");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  if (bytes.byteLength !== slice.rows * slice.columns * BYTES_A_PIXEL) {
    throw new Error("the answer has not the slice's size");
  }
  return new Int16Array(bytes); // little-endian, as is every machine that has a browser
}

export class SliceStore {
  #held = new Map(); // instance -> Int16Array
  #running = new Set();
  #problems = new Map(); // instance -> why it could not be fetched
  #nearest = []; // slices within the budget, nearest first
  #stopped = false;
  #position = 0;
  #onChange;
  #budget;

  /** `onChange` gets each slice whose HU have come, or will not come. */
  constructor(slices, onChange, budgetBytes = BUDGET_BYTES) {
    this.slices = slices;
    this.#onChange = onChange;
    this.#budget = budgetBytes;
  }

  get(slice) {
    return this.#held.get(slice.instance);
  }

  problem(slice) {
    return this.#problems.get(slice.instance);
  }

  /** Fetch what lies around this position; what failed there before is tried again. */
  focus(position) {
    const forward = position >= this.#position;
    this.#position = position;
    this.#nearest = this.#withinBudget(position, forward ? 1 : -1);
    this.#stopped = false;
    const slice = this.slices[position];
    this.#problems.delete(slice.instance);
    if (this.#isMissing(slice)) this.#fetch(slice);
    this.#prefetch();
  }

  #withinBudget(position, direction) {
    const found = [];
    let bytes = 0;
    for (let step = 0; step < this.slices.length; step += 1) {
      for (const place of new Set([position + step * direction, position - step * direction])) {
        const slice = this.slices[place];
        if (!slice) continue;
        bytes += slice.rows * slice.columns * BYTES_A_PIXEL;
        if (bytes > this.#budget) return found;
        found.push(slice);
      }
    }
    return found;
  }

  #isMissing({ instance }) {
    return ![this.#held, this.#running, this.#problems].some((known) => known.has(instance));
  }

  #prefetch() {
    for (const slice of this.#nearest) {
      if (this.#stopped || this.#running.size >= PARALLEL) return;
      if (this.#isMissing(slice)) this.#fetch(slice);
    }
  }

  async #fetch(slice) {
    this.#running.add(slice.instance);
    try {
      this.#held.set(slice.instance, await fetchHu(slice));
      this.#forgetFarthest();
    } catch (error) {
      this.#problems.set(slice.instance, error.message);
      this.#stopped = true; // until the reader moves: a server that is down is not asked for all
    }
    this.#running.delete(slice.instance);
    this.#onChange(slice);
    this.#prefetch();
  }

  #forgetFarthest() {
    const kept = new Set(this.#nearest.map(({ instance }) => instance));
    for (const instance of this.#held.keys()) {
      if (!kept.has(instance)) this.#held.delete(instance);
    }
  }
}
