// The label in view: its strip, its map, and what agreeing and disagreeing speak of. Another one is
// chosen without leaving the picture, its zoom and its window.

import { command } from "./keys.js";
import { refresh } from "./refresh.js";

const links = () => [...document.querySelectorAll("#findings th a")];
const labelOf = (link) => new URL(link.href).searchParams.get("label");

function withLabel(address, label) {
  const url = new URL(address, location.href);
  url.searchParams.set("label", label);
  return url.href;
}

async function choose(label) {
  const onLink = links().includes(document.activeElement);
  if (onLink) document.activeElement.blur(); // what has the keyboard is not swapped
  const asked = withLabel(location.href, label);
  try {
    if (!(await refresh("findings", asked))) return location.assign(asked);
  } catch {
    return; // no connection: the line above the picture tells
  }
  history.replaceState(null, "", withLabel(location.href, label));
  for (const form of document.querySelectorAll(".verdict form")) {
    form.action = withLabel(form.action, label);
  }
  document.getElementById("region-offer").dataset.label = label;
  if (onLink) links().find((link) => labelOf(link) === label)?.focus({ preventScroll: true });
}

function chooseNext() {
  const labels = links().map(labelOf);
  const here = links().findIndex((link) => link.hasAttribute("aria-current"));
  if (labels.length) choose(labels[(here + 1) % labels.length]);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#findings th a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(labelOf(link));
});

command("next-label", {
  key: "s",
  does: "Next kind of hemorrhage: its strip, its map, your verdict on it",
  run: chooseNext,
});
