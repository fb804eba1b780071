// What a reader does with findings and outlines.

import { send } from "./api.js";
import { area, dragged, handlesOf, middle, smoothed } from "./geometry.js";
import { figures, findings } from "./panels.js";
import { $, lpsOf, now, plainly, say, view } from "./state.js";
import { AXES } from "./view.js";

const HANDLES = 14;
const ZOOM = 5;

export function choose(finding) {
  const every = now.edit.outlines.filter((each) => each.finding === finding);
  const largest = every.reduce((a, b) => (area(b.polygon) > area(a.polygon) ? b : a), every[0]);
  now.finding = finding ?? null;
  pick(largest ?? null);
  const evidence = now.edit.findings.find((each) => each.id === finding)?.evidence[0];
  const slice = largest?.slice ?? evidence?.slice;
  if (view.zoom && largest) view.zoom = { ...view.zoom, middle: middle(largest.polygon) };
  if (slice !== undefined) go(slice, "slice");
}

export function pick(outline) {
  now.outline = outline;
  now.handles = outline ? handlesOf(outline.polygon, HANDLES) : [];
  now.handle = null;
  if (outline) {
    now.finding = outline.finding;
    const [column, row] = middle(outline.polygon);
    Object.assign(view.at, { column: Math.round(column), row: Math.round(row) });
  }
  draw();
  judge();
}

export const go = plainly(async (index, axis = view.axis) => {
  view.axis = axis;
  view.at[axis] = Math.max(0, Math.min(view.most - 1, index));
  const here = now.edit?.outlines.filter((each) => each.slice === view.at.slice) ?? [];
  if (axis === "slice" && now.outline?.slice !== view.at.slice) {
    pick(here.find((each) => each.finding === now.finding) ?? null);
  }
  draw();
  await view.show();
});

export function draw() {
  view.draw(now.edit && now);
  findings($("findings"), $("order"), now, (id) => choose(id));
  figures($("figures"), now);
  label();
}

// Where the picture is, and its window.
function label() {
  if (!view.study) return;
  const { axis, at, most, window: shown } = view;
  const plane = view.plane && `${view.plane}, `;
  $("place").textContent = `${plane}${axis} ${at[axis] + 1} of ${most}`;
  const [low, high] = shown;
  $("values").textContent = `window ${Math.round(high - low)}, level ${Math.round((low + high) / 2)}`;
}

// The whole slice, or what surrounds the chosen outline.
export function zoom(factor = view.zoom ? 1 : ZOOM) {
  if (view.axis !== "slice") return;
  const about = now.outline ? middle(now.outline.polygon) : [view.at.column, view.at.row];
  view.zoom = factor > 1 ? { factor, middle: about } : null;
  $("zoom").setAttribute("aria-pressed", String(Boolean(view.zoom)));
  view.fill();
}

// What the classifier says of the chosen outline as it is now.
let waiting = 0;
export function judge() {
  clearTimeout(waiting);
  const { outline } = now;
  figures($("figures"), now);
  if (!outline || outline.lps || now.judged.has(outline)) return;
  waiting = setTimeout(async () => {
    const sent = { slice: outline.slice, corners_lps_mm: lpsOf(outline) };
    try {
      now.judged.set(outline, await send("POST", `studies/${view.study.study}/evidence`, sent));
    } catch (error) {
      say(error.message);
    }
    draw();
  }, 250);
}

export function change(polygon) {
  now.outline = now.edit.change(now.outline, polygon);
  view.draw(now);
}

export function mark(state) {
  if (!now.finding) return;
  now.edit.remember();
  now.edit.mark(now.finding, state);
  next();
}

export function next() {
  const order = now.edit?.order ?? [];
  if (!order.length) return;
  const at = order.findIndex((each) => each.id === now.finding);
  const rest = [...order.slice(at + 1), ...order.slice(0, at + 1)];
  choose((rest.find((each) => !now.edit.states[each.id]) ?? rest[0]).id);
}

export function undo() {
  if (!now.edit?.undo()) return say("There is nothing to undo.");
  if (!now.edit.findings.some((each) => each.id === now.finding)) {
    return choose(now.edit.order[0]?.id);
  }
  const here = now.edit.outlines.filter((each) => each.finding === now.finding);
  pick(here.find((each) => each.slice === view.at.slice) ?? here[0] ?? null);
}

export function toggleDrawing(on = !now.drawn) {
  if (!now.edit) return say("Suggest first.");
  now.drawn = on ? [] : null;
  now.pen = on ? [view.at.column, view.at.row] : null;
  $("view").focus();
  $("draw").setAttribute("aria-pressed", String(on));
  if (on) go(view.at.slice, "slice");
  else draw();
}

// Drawing by keys: the pen goes its way, as far as the image does, and leaves corners.
export function movePen([dx, dy], far) {
  const [, rows, columns] = view.study.shape;
  const held = (at, count) => Math.min(Math.max(at, 0), count - 1);
  now.pen = [held(now.pen[0] + dx * far, columns), held(now.pen[1] + dy * far, rows)];
  draw();
}

export function leaveCorner() {
  now.drawn.push(now.pen);
  draw();
}

export function finishDrawing() {
  const polygon = smoothed(now.drawn);
  toggleDrawing(false);
  if (polygon.length < 3 || area(polygon) < 4) return say("Draw round something larger.");
  now.edit.remember();
  pick(now.edit.add(view.at.slice, polygon, now.info.target));
}

export function contrast(width, level) {
  const [low, high] = view.window;
  const middle = (low + high) / 2 + level * (high - low);
  const half = Math.max(((high - low) / 2) * (1 + width), 1e-3);
  view.window = [middle - half, middle + half];
  view.paint();
  label();
}

export function step(back) {
  if (!now.handles.length) return;
  const at = now.handles.indexOf(now.handle);
  const count = now.handles.length;
  now.handle = now.handles[at < 0 ? 0 : (at + (back ? count - 1 : 1)) % count];
  draw();
}

export function nudge(dx, dy) {
  if (now.handle === null) return;
  now.edit.remember();
  change(dragged(now.outline.polygon, now.handle, [dx / 2, dy / 2]));
  judge();
}

// A single slice has no other two views.
export function cycle() {
  if (view.study.shape[0] < 2) return say("The scan is a single slice.");
  const axis = AXES[(AXES.indexOf(view.axis) + 1) % AXES.length];
  go(view.at[axis], axis);
}

export function toggleEvidence() {
  now.evidence = !now.evidence;
  $("show").setAttribute("aria-pressed", String(now.evidence));
  draw();
}
