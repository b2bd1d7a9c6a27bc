// The heat map over the large picture: off until asked for, one label at a time.

const NEIGHBOURS = 3;

export class HeatMap {
  #state;

  /** `image` is the SVG image above the slice. */
  constructor(image, state) {
    this.image = image;
    this.visible = state.heat;
    this.label = state.label;
    this.#state = state;
    // Until the map of this slice is there, that of another one must not lie over it.
    image.addEventListener("load", () => image.classList.remove("waiting"));
  }

  /** Whether there are maps to show. */
  get exists() {
    return Boolean(this.#state.analysis);
  }

  update(state) {
    if (state.label !== this.#state.label) this.label = state.label;
    this.#state = state;
  }

  toggle() {
    this.visible = this.exists && !this.visible;
  }

  #address = ({ heat_position: place }) =>
    `/analyses/${this.#state.analysis}/heat/${place}/${this.label}.png`;

  show(slice) {
    const shown = this.visible && slice.heat_position !== null;
    this.image.toggleAttribute("hidden", !shown);
    if (!shown || this.image.getAttribute("href") === this.#address(slice)) return;
    this.image.classList.add("waiting");
    this.image.setAttribute("href", this.#address(slice));
    this.#prefetch(slice);
  }

  #prefetch(slice) {
    const { slices } = this.#state;
    const here = slices.indexOf(slice);
    for (const near of slices.slice(Math.max(0, here - NEIGHBOURS), here + NEIGHBOURS + 1)) {
      if (near.heat_position !== null) new Image().src = this.#address(near);
    }
  }
}
