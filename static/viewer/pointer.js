// Mouse, pen and fingers on a frame.
//
// Left drag: window (or the tool in hand); middle, or with Shift: pan; right: zoom; wheel: slices,
// with Ctrl: zoom. One finger: slices, or the tool in hand (one of them is the window); two: zoom and
// pan. Double click: fit.

import { extent, visibleRegion } from "./geometry.js";

const WHEEL_NOTCH = 50; // pixels; a touchpad sends many small ones
const FINGER_STEP = 14; // pixels a slice
const ZOOM_A_PIXEL = 1.01;
const WINDOW_A_PIXEL = 1 / 300; // of the width, and at least that of a width of 100 HU

function shareOf(viewport, viewer, event) {
  const { slice, view } = viewer;
  const point = viewport.pointAt(event, slice, view, false);
  return { x: point.x / slice.columns, y: point.y / slice.rows };
}

function windowDrag(viewport, viewer, start) {
  const { center, width } = viewport.window;
  const step = Math.max(width, 100) * WINDOW_A_PIXEL;
  return (event) => {
    const [right, down] = [event.clientX - start.clientX, event.clientY - start.clientY];
    viewer.setWindow(viewport, center + down * step, width + right * step);
  };
}

function panDrag(viewport, viewer, start) {
  const { view, slice } = viewer;
  const { scale } = visibleRegion(slice, view, viewport.size);
  const whole = extent(slice);
  return (event) => {
    const x = view.x - (event.clientX - start.clientX) / (scale * whole.width);
    const y = view.y - (event.clientY - start.clientY) / (scale * whole.height);
    viewer.setView({ ...viewer.view, x, y });
  };
}

function zoomDrag(viewport, viewer, start) {
  const kept = shareOf(viewport, viewer, start);
  let last = start.clientY;
  return (event) => {
    viewer.zoomBy(ZOOM_A_PIXEL ** (last - event.clientY), kept);
    last = event.clientY;
  };
}

function scrollDrag(viewport, viewer, start) {
  const { position } = viewer.state;
  return (event) =>
    viewer.show(position + Math.trunc((event.clientY - start.clientY) / FINGER_STEP));
}

function measureDrag(viewport, viewer, start) {
  const { slice, view } = viewer;
  const from = viewport.pointAt(start, slice, view);
  let measured = null;
  const move = (event) => {
    if (!from || viewer.slice !== slice) return;
    measured = viewer.measure(from, viewport.pointAt(event, slice, view, false));
    viewer.sketch(measured);
  };
  move.end = () => {
    if (!measured || viewer.slice !== slice) return viewer.sketch(null);
    viewer.finishMeasurement(measured);
  };
  move.cancel = () => viewer.sketch(null);
  return move;
}

function dragOf(event, viewer) {
  if (event.button === 2) return zoomDrag;
  if (event.button === 1 || event.shiftKey) return panDrag;
  if (viewer.measuring) return measureDrag;
  return event.pointerType === "touch" && viewer.tool !== "window" ? scrollDrag : windowDrag;
}

const middle = ([one, other]) => ({
  clientX: (one.clientX + other.clientX) / 2,
  clientY: (one.clientY + other.clientY) / 2,
});
const apart = ([one, other]) =>
  Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);

function pinch(viewport, viewer, fingers) {
  let last = [...fingers.values()];
  return () => {
    const now = [...fingers.values()];
    panDrag(viewport, viewer, middle(last))(middle(now));
    viewer.zoomBy(apart(now) / apart(last), shareOf(viewport, viewer, middle(now)));
    last = now;
  };
}

function listenToDrags(viewport, viewer) {
  const { frame } = viewport;
  const down = new Map(); // pointer id -> its latest event
  let drag = null;
  frame.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    event.preventDefault();
    document.activeElement?.blur?.(); // keys go to the picture again, as a click elsewhere does
    frame.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    if (down.size === 1) drag = dragOf(event, viewer)(viewport, viewer, event);
    if (down.size === 2) {
      drag?.cancel?.();
      drag = pinch(viewport, viewer, down);
    }
  });
  frame.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return viewer.pointTo(viewport, event);
    down.set(event.pointerId, event);
    drag?.(event);
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (event.type === "pointerup") drag?.end?.();
    else drag?.cancel?.();
    drag = null;
  };
  frame.addEventListener("pointerup", up);
  frame.addEventListener("pointercancel", up);
  frame.addEventListener("pointerleave", () => viewer.pointTo(viewport, null));
}

function listenToWheel(viewport, viewer) {
  let gathered = 0;
  const onWheel = (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      viewer.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, shareOf(viewport, viewer, event));
      return;
    }
    const pixels = event.deltaMode ? Math.sign(event.deltaY) * WHEEL_NOTCH : event.deltaY;
    gathered += pixels;
    if (Math.abs(gathered) < WHEEL_NOTCH) return;
    viewer.step(Math.sign(gathered));
    gathered = 0;
  };
  viewport.frame.addEventListener("wheel", onWheel, { passive: false });
}

export function listenToPointer(viewport, viewer) {
  listenToDrags(viewport, viewer);
  listenToWheel(viewport, viewer);
  viewport.frame.addEventListener("dblclick", () => viewer.fit());
  viewport.frame.addEventListener("contextmenu", (event) => event.preventDefault());
}
