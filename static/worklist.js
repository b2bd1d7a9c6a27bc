// The worklist without a reload: rows change where they stand, and focus, ticks and selected text
// stay with their study. The study with the focus is the one that keys act on.

import { command } from "./keys.js";
import { changeWithin, keepLive } from "./live.js";

const list = document.getElementById("list");
const rows = document.getElementById("studies").tBodies[0].rows;
const aheadMs = Date.parse(list.dataset.now) - Date.now(); // of the server's clock to this one

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of list.querySelectorAll("[data-part]")) showPart(part, fresh.getElementById(part.id));
  const table = fresh.getElementById("studies");
  document.getElementById("studies").hidden = table.hidden;
  showRows(table.tBodies[0].rows);
  showTicked();
  showWaiting();
}

function showPart(shown, fresh) {
  if (shown.innerHTML === fresh.innerHTML) return;
  changeWithin(shown, () => shown.replaceChildren(...fresh.childNodes));
}

function showRows(fresh) {
  const place = chosen();
  const focused = document.activeElement;
  const wanted = new Map([...fresh].map((row) => [row.id, row]));
  const known = new Map([...rows].map((row) => [row.id, row]));
  for (const [id, row] of known) if (!wanted.has(id)) row.remove();
  const body = document.getElementById("studies").tBodies[0];
  [...wanted.values()].forEach((row, at) => {
    const shown = known.get(row.id) ?? row;
    if (shown !== row) showCells(shown, row);
    if (rows[at] !== shown) body.insertBefore(shown, rows[at] ?? null);
  });
  if (place < 0 || focused === document.activeElement) return;
  // A row that moved took its control along; in place of one that went stands the next.
  if (focused.isConnected) focused.focus({ preventScroll: true });
  else if (document.activeElement === document.body) choose(place);
}

function showCells(shown, fresh) {
  shown.className = fresh.className;
  [...fresh.cells].forEach((cell, column) => showPart(shown.cells[column], cell));
}

function showWaiting() {
  for (const time of list.querySelectorAll("time[data-since]")) {
    const minutes = Math.floor((Date.now() + aheadMs - Date.parse(time.dateTime)) / 60_000);
    const text = waitingTime(Math.max(0, minutes));
    if (time.textContent !== text) time.textContent = text;
  }
}

// The same wording as the server's `waiting_time`.
function waitingTime(minutes) {
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** The place of the row that has the focus, or -1. */
function chosen() {
  return [...rows].indexOf(document.activeElement?.closest("#studies tbody tr"));
}

function choose(place) {
  rows[Math.max(0, Math.min(place, rows.length - 1))]?.querySelector("th a").focus();
}

const inChosenRow = (selector) => rows[chosen()]?.querySelector(selector);

const boxes = () => [...list.querySelectorAll("tbody [type=checkbox]")];

function showTicked() {
  const ticked = boxes().filter((box) => box.checked).length;
  document.getElementById("ticked").textContent = ticked ? ` (${ticked})` : "";
  const all = document.getElementById("tick-all");
  all.checked = ticked > 0 && ticked === boxes().length;
  all.indeterminate = ticked > 0 && !all.checked;
}

list.addEventListener("change", ({ target }) => {
  if (target.id === "tick-all") for (const box of boxes()) box.checked = target.checked;
  showTicked();
});
addEventListener("pageshow", showTicked); // browsers bring ticks back
keepLive(list, show);
setInterval(showWaiting, 15_000);

command("row-below", {
  key: "ArrowDown",
  does: "Choose the study below; Enter opens it",
  run: () => choose(chosen() + 1),
  repeats: true,
});
command("row-above", {
  key: "ArrowUp",
  does: "Choose the study above; Enter opens it",
  run: () => choose(chosen() - 1),
  repeats: true,
});
command("claim", {
  key: "t",
  does: "Take the chosen study to read it: others see who does",
  run: () => inChosenRow("[data-claims]")?.click(),
});
command("tick", {
  key: "x",
  does: "Tick the chosen study, or take the tick away",
  run: () => inChosenRow("[type=checkbox]")?.click(),
});
command("next-study", {
  key: "n",
  does: "Next study: the most urgent one that nobody else reads",
  run: () => document.getElementById("next-study").click(),
});
