// The reader's verdict without losing the place: keys, the slice in view, marked regions, and
// saving in the background. All of it is a plain form, too.

import { command } from "./keys.js";

const form = () => document.getElementById("verdict-form");
const field = (name) => form().elements.namedItem(name);
const instances = () => JSON.parse(document.getElementById("slices").textContent).slices;
const numberOf = (instance) => instances().findIndex((one) => one.instance === instance) + 1;

function stored(name, otherwise) {
  try {
    return JSON.parse(field(name).value || otherwise);
  } catch {
    return JSON.parse(otherwise); // what was sent was damaged, and the server has said so
  }
}

// ---- statements on slices: one field holds all of them, the table shows those of the slice in view

function keepHere({ dataset, value }) {
  const all = stored("slice_verdicts", "{}");
  const ofLabel = { ...all[dataset.here] };
  delete ofLabel[field("instance").value];
  if (value) ofLabel[field("instance").value] = value;
  field("slice_verdicts").value = JSON.stringify({ ...all, [dataset.here]: ofLabel });
  showLines();
}

function showSlice({ position, instance }) {
  if (!form()) return;
  const all = stored("slice_verdicts", "{}");
  field("instance").value = instance;
  document.getElementById("verdict-slice").textContent = position + 1;
  for (const select of form().querySelectorAll("[data-here]")) {
    select.value = all[select.dataset.here]?.[instance] ?? "";
  }
  for (const one of document.querySelectorAll(".verdict form")) {
    const url = new URL(one.action);
    url.searchParams.set("slice", position + 1);
    one.action = url;
  }
}

function lineOf(label, words) {
  const told = ["present", "absent"].map((word) => {
    const numbers = Object.keys(words).filter((one) => words[one] === word).map(numberOf);
    return numbers.length ? `${word} on ${numbers.sort((a, b) => a - b).join(", ")}` : "";
  });
  return `${label}: ${told.filter(Boolean).join("; ")}`;
}

function showLines() {
  const said = Object.entries(stored("slice_verdicts", "{}"));
  const lines = said.filter(([, words]) => Object.keys(words).length);
  const list = document.getElementById("slice-lines");
  list.replaceChildren(...lines.map(([label, words]) => item(lineOf(label, words))));
}

function item(text, ...more) {
  const line = document.createElement("li");
  line.append(text, ...more);
  return line;
}

function button(text, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", run);
  return made;
}

// ---- marked regions: the viewer measures one, the reader says what it is

const CORNERS = ["x0", "y0", "x1", "y1"];

function offerRegion({ instance, mean, area_mm2: area, ...corners }) {
  if (!form()) return;
  const offer = document.getElementById("region-offer");
  const label = document.createElement("select");
  label.setAttribute("aria-label", "What the region shows");
  for (const { dataset } of form().querySelectorAll("[data-here]")) label.add(new Option(dataset.here));
  label.value = offer.dataset.label;
  const size = Number.isFinite(area) ? `, ${Math.round(area)} mm²` : "";
  offer.replaceChildren(
    `Region on slice ${numberOf(instance)}: ${Math.round(mean)} HU${size}. Mark as `,
    label,
    markButton(() => {
      offer.replaceChildren();
      const region = { instance, label: label.value };
      for (const name of CORNERS) region[name] = corners[name];
      keepRegions([...stored("regions", "[]"), region]);
    }),
  );
  registerKeys(); // the new button shows its key
}

function markButton(run) {
  const made = button("", run);
  made.id = "mark";
  const key = document.createElement("kbd");
  key.dataset.command = "mark";
  key.setAttribute("aria-hidden", "true");
  made.append(key, " Mark");
  return made;
}

function keepRegions(regions) {
  field("regions").value = JSON.stringify(regions);
  showRegions();
}

function showRegions() {
  const regions = stored("regions", "[]");
  const lines = regions.map(({ label, instance }, index) => {
    const remove = button("Remove", () => keepRegions(regions.filter((_, i) => i !== index)));
    remove.setAttribute("aria-label", `Remove the ${label} region on slice ${numberOf(instance)}`);
    return item(`${label}: marked on ${numberOf(instance)} `, remove);
  });
  document.getElementById("region-lines").replaceChildren(...lines);
  const others = JSON.parse(document.getElementById("others-marks").textContent);
  const detail = [...others, ...regions.map((region) => ({ ...region, who: "you" }))];
  document.dispatchEvent(new CustomEvent("falx:marks", { detail }));
}

// ---- saving: the answer's verdict replaces that on the page, the images stay

async function send(sent, submitter) {
  const body = new FormData(sent, submitter);
  const answer = await fetch(sent.action, { method: "POST", body });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("verdict");
  if (!fresh) {
    const said = page.querySelector("main p")?.textContent ?? "";
    return complain(`Not saved (${answer.status}). ${said} What you chose is still here.`);
  }
  document.getElementById("verdict").replaceWith(fresh);
  fresh.querySelector(".done, .error")?.scrollIntoView({ block: "nearest" });
  showRegions();
  registerKeys();
  if (inView) showSlice(inView);
}

function complain(text) {
  const line = document.createElement("p");
  line.className = "error";
  line.setAttribute("role", "alert");
  line.textContent = text;
  document.querySelector("#verdict h2").after(line);
}

let sending = false;

document.addEventListener("submit", async (event) => {
  if (!event.target.closest("#verdict")) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  try {
    await send(event.target, event.submitter);
  } catch {
    complain("Not saved: the server does not answer. What you chose is still here.");
  } finally {
    sending = false;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-here]")) keepHere(event.target);
});

let inView = null;

document.addEventListener("falx:slice", (event) => {
  inView = event.detail;
  showSlice(inView);
});
document.addEventListener("falx:region", (event) => offerRegion(event.detail));

// ---- keys

// In full screen one would not see what these do.
const onPage = (run) => async () => {
  if (document.fullscreenElement) await document.exitFullscreen();
  run();
};
const press = (id) => onPage(() => document.getElementById(id)?.click());

function openChooser() {
  const chooser = document.getElementById("chooser");
  if (!chooser) return;
  chooser.open = true;
  chooser.querySelector("button").focus();
}

function goToVerdict() {
  const { label } = document.getElementById("region-offer")?.dataset ?? {};
  const select = form() ? field(`${label}-verdict`) : document.querySelector("#impression select");
  select?.focus();
}

// Within the reasons a number chooses; elsewhere numbers are the viewer's.
document.addEventListener(
  "keydown",
  (event) => {
    const chooser = event.target.closest("#chooser[open]");
    if (!chooser || event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = chooser.querySelectorAll("button")[Number.parseInt(event.key, 10)];
    if (event.key === "Escape") {
      chooser.open = false;
      chooser.querySelector("summary").focus();
    } else if (chosen) chosen.click();
    else return;
    event.preventDefault();
  },
  { capture: true },
);

// Again after each saving, so that fresh buttons show the keys that the reader has chosen.
function registerKeys() {
  command("agree", { key: "a", does: "Agree with the label in view", run: press("agree") });
  command("disagree", {
    key: "d",
    does: "Disagree with the label in view, with a reason",
    run: onPage(openChooser),
  });
  command("verdict", {
    key: "v",
    does: "Go to your verdict; Escape leads back to the image",
    run: onPage(goToVerdict),
  });
  command("mark", {
    key: "m",
    does: "Mark the region just measured, in your verdict",
    run: press("mark"),
  });
  command("undo", {
    key: "u",
    does: "Withdraw your last verdict",
    run: onPage(() => document.getElementById("undo-form")?.requestSubmit()),
  });
}

registerKeys();
if (form()) showRegions();
