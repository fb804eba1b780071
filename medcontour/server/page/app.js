// The page: its keys and buttons.

import { call, useKey } from "./api.js";
import "./pointer.js";
import { contrast, cycle, finishDrawing, go, leaveCorner, mark, movePen, next, nudge, step,
  toggleDrawing, toggleEvidence, undo, zoom } from "./reader.js";
import { begin, download, giveBack, open, save, snap, suggest } from "./saving.js";
import { $, now, plainly, say, view } from "./state.js";

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const KEYS = { a: () => mark("accepted"), r: () => mark("rejected"), n: next, u: undo, s: snap,
  d: () => toggleDrawing(), v: cycle, z: () => zoom(), e: toggleEvidence, x: download,
  "?": () => $("keys").showModal(),
  "[": () => contrast(-0.1, 0), "]": () => contrast(0.1, 0), "-": () => contrast(0, -0.05),
  "=": () => contrast(0, 0.05) };

const PEN = { " ": leaveCorner, Enter: finishDrawing, Escape: () => toggleDrawing(false) };

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (["INPUT", "SELECT"].includes(target.tagName) || document.querySelector("dialog[open]")) return;
  if (!view.study) return;
  if ((event.ctrlKey || event.metaKey) && key === "s") save();
  else if ((event.ctrlKey || event.metaKey) && key === "z") undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (now.drawn && ARROWS[key]) movePen(ARROWS[key], event.shiftKey ? 5 : 1);
  else if (now.drawn && PEN[key] && target === $("view")) PEN[key]();
  else if (key === "Tab" && target === $("view") && now.handles.length) step(event.shiftKey);
  else if (ARROWS[key] && event.shiftKey) nudge(...ARROWS[key]);
  else if (key === "ArrowUp" || key === "ArrowDown") go(view.at[view.axis] + ARROWS[key][1]);
  else if (KEYS[key.toLowerCase()]) KEYS[key.toLowerCase()]();
  else return;
  event.preventDefault();
});

const clicks = { open: () => open($("studies").value), suggest, snap, undo, save, next,
  accept: () => mark("accepted"), reject: () => mark("rejected"), draw: () => toggleDrawing(),
  axis: cycle, zoom: () => zoom(), show: toggleEvidence, export: download,
  cancel: plainly(() => call("POST", `jobs/${now.job}/cancel`)) };
for (const [id, act] of Object.entries(clicks)) {
  $(id).addEventListener("click", () => (id === "open" || view.study) && act());
}
$("upload").addEventListener("change", plainly(async () => {
  const [file] = $("upload").files;
  if (!file) return;
  say("The scan is uploaded.");
  const study = await (await call("POST", "uploads", { body: file })).json();
  await begin();
  $("studies").value = study.study;
  await open(study.study);
}));
$("ask").addEventListener("close", () => {
  useKey($("key").value);
  begin();
});
setInterval(() => now.lease && call("PUT", `leases/${now.lease}`).catch(() => (now.lease = null)), 60_000);
window.addEventListener("pagehide", giveBack);
window.addEventListener("beforeunload", (event) => {
  if (now.edit && !now.edit.saved) event.preventDefault();
});
begin();
