// Who reads the study on the reading page: kept up to date; and the keys to take it, to give it
// back and to go on.

import { command } from "./keys.js";
import { changeWithin, keepLive } from "./live.js";

const claim = document.getElementById("claim");

keepLive(claim, (html) => {
  changeWithin(claim, () => {
    claim.innerHTML = html;
  });
});

// The address knows the slice in view, the button only the one that was there at first.
claim.closest("form").addEventListener("submit", ({ submitter }) => {
  const target = new URL(submitter.formAction);
  target.search = location.search;
  submitter.formAction = target;
});

command("claim", {
  key: "t",
  does: "Take this study to read it: others see who does",
  run: () => claim.querySelector("[data-claims]")?.click(),
});
command("release", {
  key: "b",
  does: "Give this study back: others may read it",
  run: () => claim.querySelector("[data-releases]")?.click(),
});
command("next-study", {
  key: "n",
  does: "Next study: the most urgent one that nobody else reads",
  run: () => document.getElementById("next-study").click(),
});
