// Moves through the slices of a series without reloading the page.

const readState = () => JSON.parse(document.getElementById("slices").textContent);

let state = readState();
const windows = document.getElementById("windows");
const number = document.getElementById("number");
const PAGE = 5;
const PREFETCH = 3;
const SETTLE_MS = 150;

const pictureUrl = (slice, window) => `/instances/${slice.instance}/${window}.png`;
const heatUrl = (slice) =>
  `/analyses/${state.analysis}/heat/${slice.heat_position}/${state.label}.png`;

// The same wording as the server's `percent`.
function percent(probability) {
  if (probability < 0.01) return "< 1 %";
  return probability > 0.99 ? "> 99 %" : `${Math.round(probability * 100)} %`;
}

function show(position) {
  const last = state.slices.length - 1;
  state.position = Math.max(0, Math.min(last, position));
  const slice = state.slices[state.position];
  for (const picture of windows.querySelectorAll("[data-window]")) {
    picture.src = pictureUrl(slice, picture.dataset.window);
    picture.alt = `Slice ${state.position + 1} of ${last + 1}, ${picture.dataset.window} window`;
  }
  number.textContent = state.position + 1;
  for (const cell of document.querySelectorAll("[data-label]")) {
    cell.textContent = slice.probabilities ? percent(slice.probabilities[cell.dataset.label]) : "–";
  }
  for (const link of document.querySelectorAll("[data-slice]")) {
    const here = Number(link.dataset.slice) === state.position;
    link.querySelector(".place").classList.toggle("here", here);
  }
  showHeat(slice);
  rememberPlace();
  prefetch();
  showAttributes();
}

function showHeat(slice) {
  for (const overlay of windows.querySelectorAll("[data-heat]")) {
    const visible = state.heat && slice.heat_position !== null;
    overlay.hidden = !visible;
    if (visible) overlay.src = heatUrl(slice);
  }
  document.getElementById("heat")?.setAttribute("aria-pressed", String(state.heat));
}

// The address, the label links and the verdict form all keep the slice in view.
function rememberPlace() {
  const at = (address) => {
    const url = new URL(address, location.href);
    url.searchParams.set("slice", state.position + 1);
    if (state.heat) url.searchParams.set("heat", 1);
    else url.searchParams.delete("heat");
    return url;
  };
  history.replaceState(null, "", at(location.href));
  for (const link of document.querySelectorAll(".findings th a")) link.href = at(link.href);
  for (const form of document.querySelectorAll(".verdict form")) form.action = at(form.action);
}

// The attributes come from the server, for the slice that is in view once it stays there.
let attributesTimer;

function showAttributes() {
  clearTimeout(attributesTimer);
  attributesTimer = setTimeout(async () => {
    const shown = document.getElementById("metadata");
    const { position } = state;
    if (!shown.open || shown.dataset.position === String(position)) return;
    const answer = await fetch(location.href);
    if (!answer.ok || position !== state.position) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("metadata");
    // Only texts change: whoever has the keyboard on the summary keeps it there.
    shown.querySelector("summary").textContent = fresh.querySelector("summary").textContent;
    shown.querySelector("dl").replaceWith(fresh.querySelector("dl"));
    shown.dataset.position = position;
  }, SETTLE_MS);
}

function prefetch() {
  for (let step = 1; step <= PREFETCH; step += 1) {
    for (const neighbour of [state.position + step, state.position - step]) {
      const slice = state.slices[neighbour];
      if (!slice) continue;
      for (const picture of windows.querySelectorAll("[data-window]")) {
        new Image().src = pictureUrl(slice, picture.dataset.window);
      }
    }
  }
}

function toggleHeat() {
  if (!state.analysis) return;
  state.heat = !state.heat;
  show(state.position);
}

function enlarge(index) {
  const figures = [...windows.children];
  for (const [i, figure] of figures.entries()) figure.hidden = index >= 0 && i !== index;
  windows.classList.toggle("single", index >= 0);
}

const keys = {
  ArrowUp: () => show(state.position - 1),
  ArrowDown: () => show(state.position + 1),
  PageUp: () => show(state.position - PAGE),
  PageDown: () => show(state.position + PAGE),
  Home: () => show(0),
  End: () => show(state.slices.length - 1),
  h: toggleHeat,
  0: () => enlarge(-1),
  1: () => enlarge(0),
  2: () => enlarge(1),
  3: () => enlarge(2),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  const action = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (typing || !action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});

// A result has come in while the page was open: what is in view stays in view.
document.addEventListener("refreshed", () => {
  const { position, heat } = state;
  state = { ...readState(), heat };
  show(position);
});

document.getElementById("metadata").addEventListener("toggle", showAttributes);

windows.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    show(state.position + Math.sign(event.deltaY));
  },
  { passive: false },
);

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-slice], #previous, #next, #heat");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (link.id === "heat") toggleHeat();
  else if (link.id === "previous") show(state.position - 1);
  else if (link.id === "next") show(state.position + 1);
  else show(Number(link.dataset.slice));
});

prefetch();
