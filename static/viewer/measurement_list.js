// The measurements of the series as a list below the picture: to hear, to go to, and to remove.

function button(text, name, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", name);
  made.addEventListener("click", run);
  return made;
}

function line(viewer, position, measurement) {
  const slice = viewer.state.slices[position];
  const told = `Slice ${position + 1}: ${measurement.text}`;
  const made = document.createElement("li");
  const buttons = [
    button("Show", `Show ${told}`, () => viewer.show(position)),
    button("Remove", `Remove ${told}`, () => viewer.removeMeasurement(slice, measurement)),
  ];
  made.append(`${told} `, ...buttons);
  return made;
}

/** Show them in `section`, which is hidden while there are none. */
export function listMeasurements(section, viewer) {
  const lines = viewer.state.slices.flatMap((slice, position) =>
    viewer.measured.of(slice).map((measurement) => line(viewer, position, measurement)),
  );
  section.hidden = !lines.length;
  section.querySelector("ul").replaceChildren(...lines);
}
