// Sends the upload form with a progress bar, and takes dropped files and folders.

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const bar = document.getElementById("sent");
const text = document.getElementById("sent-text");

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function send(data) {
  const request = new XMLHttpRequest();
  form.querySelector("[type=submit]").disabled = true;
  document.getElementById("progress").hidden = false;
  bar.hidden = false;
  request.upload.addEventListener("progress", (event) => {
    bar.max = event.total;
    bar.value = event.loaded;
    text.textContent =
      event.loaded < event.total
        ? `${megabytes(event.loaded)} of ${megabytes(event.total)} sent`
        : "All sent. Falx checks and stores each file.";
  });
  request.addEventListener("load", () => {
    if (request.status < 400) {
      location.assign(request.responseURL);
      return;
    }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    stop(page.querySelector("main p")?.textContent ?? `The server answered ${request.status}.`);
  });
  request.addEventListener("error", () => stop("The connection broke. Send the files again."));
  request.open("POST", form.action);
  request.send(data);
}

function stop(reason) {
  bar.hidden = true;
  text.textContent = reason;
  form.querySelector("[type=submit]").disabled = false;
}

// A dropped folder arrives as an entry that has to be walked; readEntries gives it in portions.
async function filesOf(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: path + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return found;
    for (const inner of portion) found.push(...(await filesOf(inner, `${path}${entry.name}/`)));
  }
}

// All items are asked for at once: they are void as soon as the event is over. What is no entry of
// a file system (dragged from another page, say) is at least a file.
async function droppedFiles(transfer) {
  const dropped = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of dropped) {
    if (entry) found.push(...(await filesOf(entry)));
    else if (file) found.push({ file, name: file.name });
  }
  return found;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(new FormData(form));
});

document.querySelector(".drop-hint").hidden = false;
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const data = new FormData();
  data.set("csrf_token", form.elements.csrf_token.value);
  for (const { file, name } of await droppedFiles(event.dataTransfer)) {
    data.append("files", file, name);
  }
  send(data);
});
