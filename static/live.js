// Keeps part of a page up to date without a connection that stays open: every few seconds it asks
// whether something has changed, which costs the server next to nothing while nothing has.

const SECONDS = 8;
const PATIENCE_MS = 10_000;
const FOCUSABLE = "a[href], button, input, summary";

// `part` names its address (data-live) and the version that it shows (data-tag); `show` gets the
// new HTML. What is wrong with the connection is told in the element "connection".
export function keepLive(part, show) {
  let tag = `"${part.dataset.tag}"`;
  let timer;

  async function ask() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.live, {
          headers: { "If-None-Match": tag },
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        if (answer.redirected) return tellLoggedOut();
        if (answer.status !== 304) {
          if (!answer.ok) throw new Error(`status ${answer.status}`);
          show(await answer.text());
          tag = answer.headers.get("ETag");
        }
        tell("");
      } catch {
        tellLost();
      }
    }
    timer = setTimeout(ask, SECONDS * 1000);
  }

  // Whoever comes back to the page must not see what was true when it was left.
  document.addEventListener("visibilitychange", () => !document.hidden && ask());
  window.addEventListener("online", ask);
  window.addEventListener("offline", tellLost);
  timer = setTimeout(ask, SECONDS * 1000);
}

function tell(...words) {
  const told = document.getElementById("connection");
  told.hidden = words[0] === "";
  told.replaceChildren(...words);
}

function tellLost() {
  if (!document.getElementById("connection").hidden) return; // since when, it says already
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  tell(`The connection was lost at ${time}. What is shown may be out of date. Trying again.`);
}

function tellLoggedOut() {
  const login = Object.assign(document.createElement("a"), { href: location.href });
  login.textContent = "Log in";
  tell("You are logged out, and what is shown is no longer kept up to date. ", login);
}

/** Change what is in `element`; who had the keyboard in it keeps it on the same control. */
export function changeWithin(element, change) {
  const before = [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  change();
  if (before < 0 || element.contains(document.activeElement)) return;
  const controls = [...element.querySelectorAll(FOCUSABLE)];
  controls[Math.min(before, controls.length - 1)]?.focus({ preventScroll: true });
}
