// Measuring without a pointer: with length or region in hand, Enter puts a cross on the large
// picture, arrows move it (with Shift farther), Enter sets the first point and then the second,
// Escape gives up.

import { isTyping } from "../keys.js";

const FAR = 10; // pixels of the slice
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const within = (value, end) => Math.max(0, Math.min(end - 1, value));

/** The middle of what is seen, in pixels of the slice. */
function middle({ slice, view }) {
  const place = (share, end) => within(Math.floor(share * end), end) + 0.5;
  return { x: place(view.x, slice.columns), y: place(view.y, slice.rows) };
}

function moved({ x, y }, { rows, columns }, [right, down]) {
  return { x: within(x + right, columns), y: within(y + down, rows) };
}

/** Listen for the keys, before those of the page. */
export function listenToCrosshair(viewer) {
  let from = null;

  function enter() {
    if (!viewer.cross) viewer.cross = middle(viewer);
    else if (!from) from = { slice: viewer.slice, point: viewer.cross };
    else {
      const measured = viewer.measure(from.point, viewer.cross);
      from = null;
      viewer.finishMeasurement(measured);
    }
  }

  function move(step) {
    viewer.cross = moved(viewer.cross, viewer.slice, step);
    if (from) viewer.sketch(viewer.measure(from.point, viewer.cross));
  }

  function handle({ key, shiftKey }) {
    if (from?.slice !== viewer.slice) from = null; // a measurement lies on one slice
    if (key === "Enter") enter();
    else if (key === "Escape") viewer.use(viewer.tool);
    else if (viewer.cross && ARROWS[key]) move(ARROWS[key].map((one) => one * (shiftKey ? FAR : 1)));
    else return false;
    return true;
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (!viewer.measuring || event.ctrlKey || event.metaKey || event.altKey) return;
      const elsewhere = event.target.closest("a, button, summary") && event.key === "Enter";
      if (elsewhere || isTyping(event) || document.querySelector("dialog:modal")) return;
      if (handle(event)) event.preventDefault();
    },
    { capture: true },
  );
}
