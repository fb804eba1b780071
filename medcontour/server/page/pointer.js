// Mouse, pen and finger on the picture.

import { contains, dragged } from "./geometry.js";
import { change, contrast, draw, finishDrawing, go, judge, pick, zoom } from "./reader.js";
import { $, now, view } from "./state.js";

const NEAR = 14; // screen pixels

let drag = null;
$("view").addEventListener("pointerdown", (event) => {
  if (!view.picture) return;
  $("view").setPointerCapture(event.pointerId);
  const at = view.pointed(event);
  if (event.button === 2) return (drag = { kind: "contrast", x: event.clientX, y: event.clientY });
  if (view.axis !== "slice" || !now.edit) return;
  if (now.drawn) {
    now.drawn = [at];
    return (drag = { kind: "draw" });
  }
  const handle = nearest(at);
  if (handle !== null) {
    now.handle = handle;
    now.edit.remember();
    drag = { kind: "corner", from: at, polygon: now.outline.polygon };
    return draw();
  }
  const here = now.edit.outlines.filter((each) => each.slice === view.at.slice);
  const hit = here.find((each) => contains(each.polygon, at));
  if (hit) pick(hit);
});
$("view").addEventListener("pointermove", (event) => {
  if (!drag) return;
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
$("view").addEventListener("pointerup", () => {
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
