// The dialog that lists all keyboard commands of the page and lets the user choose other keys.

import { allCommands, keyName, pressedKey, remap, useUsualKeys } from "./keys.js";

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

let dialog;
let rows;
let told;
let waitingFor = "";

function build() {
  rows = element("ul");
  told = element("p", { className: "error", role: "alert" });
  const usual = element("button", { type: "button", textContent: "Usual keys" });
  const close = element("button", { type: "button", textContent: "Close", className: "primary" });
  dialog = element(
    "dialog",
    { className: "keys-dialog", ariaLabel: "Keys" },
    element("h2", { textContent: "Keys" }),
    element("p", { textContent: "Press a key's button, then the new key. Escape leaves it as it was." }),
    rows,
    told,
    element("p", { className: "actions" }, usual, close),
  );
  usual.addEventListener("click", () => {
    useUsualKeys();
    wait("");
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", takeKey);
  document.body.append(dialog);
}

function row({ name, does, key }) {
  const button = element("button", { type: "button" });
  button.dataset.remaps = name;
  button.textContent = name === waitingFor ? "press a key" : key ? keyName(key) : "none";
  button.ariaLabel = `${does}: ${button.textContent}`;
  button.addEventListener("click", () => wait(name));
  return element("li", {}, does, button);
}

function wait(name, problem = "") {
  const focused = document.activeElement?.dataset?.remaps;
  waitingFor = name;
  told.textContent = problem;
  rows.replaceChildren(...allCommands().map(row));
  rows.querySelector(`[data-remaps="${name || focused}"]`)?.focus();
}

function takeKey(event) {
  if (!waitingFor || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
  event.preventDefault();
  if (event.key === "Escape") wait("");
  else {
    const problem = remap(waitingFor, pressedKey(event));
    wait(problem ? waitingFor : "", problem);
  }
}

/** Show the dialog, above everything else. */
export function openDialog() {
  if (!dialog) build();
  wait("");
  dialog.showModal();
}
