// Mouse, pen and finger on the picture.

import { contains, dragged } from "./geometry.js";
import { change, contrast, draw, finishDrawing, go, judge, pick, zoom } from "./reader.js";
import { $, now, view } from "./state.js";

const NEAR = 14; // screen pixels
const SLICE = 8; // screen pixels that the stack is dragged by for one slice

let drag = null;
$("view").addEventListener("pointerdown", (event) => {
  if (!view.picture) return;
  const { pointerId: pointer, clientX: x, clientY: y } = event;
  const stack = { kind: "stack", pointer, y, from: view.at[view.axis] };
  // A second finger turns scrolling into window and level.
  if (drag && drag.kind !== "stack") return;
  $("view").setPointerCapture(pointer);
  if (drag || event.button === 2) return (drag = { kind: "contrast", pointer, x, y });
  if (view.axis !== "slice" || !now.edit) return (drag = stack);
  const at = view.pointed(event);
  if (now.drawn) {
    now.drawn = [at];
    return (drag = { kind: "draw", pointer });
  }
  const handle = nearest(at);
  if (handle !== null) {
    now.handle = handle;
    now.edit.remember();
    drag = { kind: "corner", pointer, from: at, polygon: now.outline.polygon };
    return draw();
  }
  const here = now.edit.outlines.filter((each) => each.slice === view.at.slice);
  const hit = here.find((each) => contains(each.polygon, at));
  if (hit) pick(hit);
  else drag = stack;
});
$("view").addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  if (drag.kind === "stack") {
    const index = drag.from + Math.round((event.clientY - drag.y) / SLICE);
    return index !== view.at[view.axis] && go(index);
  }
  if (drag.kind === "contrast") {
    contrast((event.clientX - drag.x) / 300, (event.clientY - drag.y) / 300);
    return Object.assign(drag, { x: event.clientX, y: event.clientY });
  }
  const at = view.pointed(event);
  if (drag.kind === "draw") {
    now.drawn.push(at);
    return draw();
  }
  const step = [at[0] - drag.from[0], at[1] - drag.from[1]];
  change(dragged(drag.polygon, now.handle, step));
});
$("view").addEventListener("pointerup", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  const ended = drag;
  drag = null;
  if (ended?.kind === "draw") finishDrawing();
  if (ended?.kind === "corner") judge();
});
$("view").addEventListener("pointercancel", () => (drag = null));
$("view").addEventListener("contextmenu", (event) => event.preventDefault());
$("view").addEventListener("wheel", (event) => {
  event.preventDefault();
  if (view.study && event.ctrlKey) {
    return zoom((view.zoom?.factor ?? 1) * (event.deltaY < 0 ? 1.25 : 0.8));
  }
  if (view.study) go(view.at[view.axis] + Math.sign(event.deltaY));
}, { passive: false });

function nearest(at) {
  if (!now.outline || now.outline.slice !== view.at.slice) return null;
  const { to } = view.fit();
  const [x, y] = to(at);
  const reach = NEAR * (window.devicePixelRatio || 1);
  const off = (corner) => {
    const [u, v] = to(now.outline.polygon[corner]);
    return Math.hypot(x - u, y - v);
  };
  const best = now.handles.reduce((a, b) => (off(b) < off(a) ? b : a), now.handles[0]);
  return best !== undefined && off(best) < reach ? best : null;
}
