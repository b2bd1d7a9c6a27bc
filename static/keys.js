// The one registry of keyboard commands: every page says what a command does and its usual key;
// the user may choose other keys, which stay in this browser (localStorage, "falx.keys").
//
//   command("heat", { key: "h", does: "Show or hide the map", run: toggleHeat });
//
// `run` gets the event. A key that is held down runs a command once, unless it says `repeats`.
// Elements marked data-command="heat" always show the command's present key, and a click on one
// marked data-runs="heat" does what the key does.

const STORE = "falx.keys";
const commands = new Map();
let chosen = readChosen();

function readChosen() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    return Object.fromEntries(Object.entries(stored).filter(([, key]) => typeof key === "string"));
  } catch {
    return {}; // storage is off or was damaged: the usual keys
  }
}

function keepChosen(keys) {
  chosen = keys;
  try {
    localStorage.setItem(STORE, JSON.stringify(keys));
  } catch {
    // Storage is off: the choice holds until the page is left.
  }
  showKeys();
}

const SHIFT = "Shift+";
const normal = (key) => (key.length === 1 ? key.toLowerCase() : key);

/** What was pressed, as commands name it. With a letter or sign, Shift makes the sign itself. */
export const pressedKey = ({ key, shiftKey }) =>
  shiftKey && key.length > 1 ? SHIFT + key : normal(key);

/** Name -> key of all commands of the page. What the user chose goes before what is usual. */
function assigned() {
  const takenBy = new Map();
  const byChoice = [...commands.keys()].filter((name) => name in chosen);
  const byCustom = [...commands.keys()].filter((name) => !(name in chosen));
  for (const name of [...byChoice, ...byCustom]) {
    const key = chosen[name] ?? commands.get(name).key;
    if (!takenBy.has(key)) takenBy.set(key, name);
  }
  return takenBy;
}

/** Register a command; the key is a value of KeyboardEvent.key, a named one perhaps after "Shift+". */
export function command(name, { key, does, run, repeats = false }) {
  commands.set(name, { key: normal(key), does, run, repeats });
  showKeys();
}

/** All commands of the page as { name, does, key }; key is "" where another command took it. */
export function allCommands() {
  const keys = new Map([...assigned()].map(([key, name]) => [name, key]));
  return [...commands].map(([name, { does }]) => ({ name, does, key: keys.get(name) ?? "" }));
}

/** Give a command another key. Returns "" or the sentence that says why not. */
export function remap(name, key) {
  const wanted = normal(key);
  if (["Escape", "Tab", "Enter", " "].includes(wanted.replace(SHIFT, ""))) {
    return `${keyName(wanted)} belongs to the browser. Choose another key.`;
  }
  const owner = assigned().get(wanted);
  if (owner && owner !== name) {
    const does = commands.get(owner).does;
    return `${keyName(wanted)} already means “${does}”. Choose another key, or change that one first.`;
  }
  keepChosen({ ...chosen, [name]: wanted });
  return "";
}

/** Forget all choices. */
export function useUsualKeys() {
  keepChosen({});
}

const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space" };

/** The key as a reader knows it. */
export function keyName(key) {
  if (key.startsWith(SHIFT)) return SHIFT + keyName(key.slice(SHIFT.length));
  return NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}

function showKeys() {
  for (const { name, key } of allCommands()) {
    for (const shown of document.querySelectorAll(`[data-command="${name}"]`)) {
      shown.textContent = key ? keyName(key) : "–";
    }
  }
}

const FIELDS = "input, textarea, select, [contenteditable]";

// A slider or a box that is ticked is not typed into, but keeps its arrows.
export function isTyping(event) {
  const field = event.target.closest?.(FIELDS);
  if (!field) return false;
  return !field.matches("[type=range], [type=checkbox], [type=radio]") || event.key.length > 1;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog:modal")) return;
  if (event.key === "Escape") return leaveField();
  if (isTyping(event)) return;
  const found = commands.get(assigned().get(pressedKey(event)));
  if (!found) return;
  event.preventDefault();
  if (!event.repeat || found.repeats) found.run(event);
});

// From a field back to the page's keys.
function leaveField() {
  if (document.activeElement?.matches(FIELDS)) document.activeElement.blur();
}

// Parts of the page that came anew know only the usual keys.
document.addEventListener("refreshed", showKeys);

document.addEventListener("click", (event) => {
  const found = commands.get(event.target.closest("[data-runs]")?.dataset.runs);
  if (!found || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  found.run(event);
});

command("keys", {
  key: "?",
  does: "List all keys and change them",
  run: () => import("./keys_dialog.js").then(({ openDialog }) => openDialog()),
});
