// Keeps marked parts of a page up to date: fetches the page again and swaps those parts in.

// Parts that follow another one are swapped together with it.
const followers = (id, root) => root.querySelectorAll(`[data-refresh-with="${id}"]`);

/** Swap in the part as the page at an address has it; whether there was anything to swap. */
export async function refresh(id, address = location.href) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(id);
  const shown = document.getElementById(id);
  // Somebody who is on a link in the list must not lose the place.
  if (!fresh || !shown || shown.contains(document.activeElement)) return false;
  shown.replaceWith(fresh);
  for (const follower of followers(id, page)) {
    document.getElementById(follower.id)?.replaceWith(follower);
  }
  document.dispatchEvent(new Event("refreshed"));
  return true;
}

function watch(id) {
  const part = document.getElementById(id);
  const seconds = Number(part?.dataset.refreshSeconds);
  if (!seconds) return;
  setTimeout(async () => {
    try {
      if (!document.hidden) await refresh(id);
    } catch {
      // The server may be restarting; the next turn tries again.
    } finally {
      watch(id);
    }
  }, seconds * 1000);
}

for (const part of document.querySelectorAll("[data-refresh-seconds]")) watch(part.id);
