// The picture: a plane of the scan in its window, with outlines and evidence over it.

import { PLANES, crossings, direction, opposite } from "./geometry.js";
import { plane } from "./api.js";

export const AXES = ["slice", "row", "column"];
const COLOURS = { outline: "#39d0ff", chosen: "#ffffff", evidence: "#ffb000", rejected: "#8a5560" };
const KEPT = 80; // planes that are remembered
const CHEAP = { willReadFrequently: true }; // lines alone: drawn without a graphics card as fast

export class View {
  // The picture has a canvas of its own: while a curve is dragged, it stays as it is.
  constructor(canvas, below, corners) {
    this.canvas = canvas;
    this.below = below;
    this.corners = corners;
    this.planes = new Map();
    new ResizeObserver(() => this.fill()).observe(canvas);
  }

  open(study) {
    this.study = study;
    this.planes.clear();
    this.picture = null;
    this.window = [...study.window];
    this.axis = "slice";
    this.zoom = null; // { factor, middle } of a slice
    this.at = { slice: Math.floor(study.shape[0] / 2), row: Math.floor(study.shape[1] / 2),
      column: Math.floor(study.shape[2] / 2) };
  }

  get most() {
    return this.study.shape[AXES.indexOf(this.axis)];
  }

  // What the plane in view is called; an image without a place in the patient has no such name.
  get plane() {
    if (this.study.units !== "mm") return "";
    return PLANES[direction(this.steps()[this.axis])];
  }

  // Directions in LPS mm in which slices, rows and columns follow each other.
  steps() {
    const affines = this.study.slice_affines_lps;
    const [column, row, origin] = [0, 1, 3].map((n) => [0, 1, 2].map((m) => affines[0][m][n]));
    const [a, b] = [column, row];
    const slice = affines.length > 1 ? [0, 1, 2].map((m) => affines.at(-1)[m][3] - origin[m])
      : [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    return { slice, row, column };
  }

  // Sizes of a pixel along the picture's x and y, in mm.
  get spacing() {
    const [row, column] = this.study.pixel_spacing;
    const slice = this.study.slice_spacing;
    return { slice: [column, row], row: [column, slice], column: [row, slice] }[this.axis];
  }

  async show() {
    const { study, axis } = this;
    const index = this.at[axis];
    const name = `${study.study} ${axis} ${index}`;
    if (!this.planes.has(name)) {
      const fetched = await plane(study.study, axis, index);
      this.planes.set(name, fetched);
      if (this.planes.size > KEPT) this.planes.delete(this.planes.keys().next().value);
    }
    if (this.study !== study || this.axis !== axis || this.at[axis] !== index) return;
    this.shown = this.planes.get(name);
    this.paint();
  }

  // The plane's greys, once for each window.
  paint() {
    if (!this.shown) return;
    const { values, shape } = this.shown;
    const [rows, columns, colours = 1] = shape;
    const image = new ImageData(columns, rows);
    const [low, high] = this.window;
    const scale = 255 / Math.max(high - low, 1e-6);
    for (let n = 0; n < rows * columns; n++) {
      for (let c = 0; c < 3; c++) {
        image.data[4 * n + c] = (values[n * colours + (colours === 1 ? 0 : c)] - low) * scale;
      }
      image.data[4 * n + 3] = 255;
    }
    this.picture ??= document.createElement("canvas");
    this.picture.width = columns;
    this.picture.height = rows;
    this.picture.getContext("2d").putImageData(image, 0, 0);
    this.fill();
  }

  // The picture, as large as there is room for it.
  fill() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.below]) {
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
    }
    if (this.picture && this.shown) {
      const pen = this.below.getContext("2d");
      const { ox, oy, sx, sy, upward } = this.fit();
      const [columns, rows] = [this.picture.width, this.picture.height];
      if (upward) pen.transform(1, 0, 0, -1, 0, 2 * oy + rows * sy);
      pen.drawImage(this.picture, ox, oy, columns * sx, rows * sy);
      this.sides();
    }
    this.draw();
  }

  // Screen pixels (of the canvas) that a plane's index lies at, and back.
  fit() {
    const [columns, rows] = [this.picture.width, this.picture.height];
    const [dx, dy] = this.spacing;
    const { width, height } = this.canvas;
    const zoom = this.axis === "slice" ? this.zoom : null;
    const scale = Math.min(width / (columns * dx), height / (rows * dy)) * (zoom?.factor ?? 1);
    const [sx, sy] = [scale * dx, scale * dy];
    const upward = this.axis !== "slice" && this.headIsLast();
    const [mx, my] = zoom ? zoom.middle : [(columns - 1) / 2, (rows - 1) / 2];
    const [ox, oy] = [width / 2 - (mx + 0.5) * sx, height / 2 - (my + 0.5) * sy];
    const to = ([x, y]) => [
      ox + (x + 0.5) * sx,
      upward ? oy + (rows - y - 0.5) * sy : oy + (y + 0.5) * sy,
    ];
    const from = ([x, y]) => [
      (x - ox) / sx - 0.5,
      upward ? rows - 0.5 - (y - oy) / sy : (y - oy) / sy - 0.5,
    ];
    return { to, from, ox, oy, sx, sy, upward };
  }

  headIsLast() {
    const affines = this.study.slice_affines_lps;
    return affines.at(-1)[2][3] > affines[0][2][3];
  }

  pointed(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = this.canvas.width / box.width;
    return this.fit().from([(event.clientX - box.left) * share, (event.clientY - box.top) * share]);
  }

  draw(scene = this.scene) {
    this.scene = scene;
    const ratio = window.devicePixelRatio || 1;
    const pen = this.canvas.getContext("2d", CHEAP);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture || !this.shown) return;
    const { to } = this.fit();
    pen.lineWidth = 1.5 * ratio;
    if (scene && this.axis === "slice") this.curves(pen, scene, to, ratio);
    else if (scene) this.cuts(pen, scene, to, ratio);
  }

  curves(pen, scene, to, ratio) {
    const k = this.at.slice;
    const line = (polygon, colour, dashes = []) => {
      pen.strokeStyle = colour;
      pen.setLineDash(dashes.map((length) => length * ratio));
      pen.beginPath();
      polygon.forEach((point, n) => (n ? pen.lineTo(...to(point)) : pen.moveTo(...to(point))));
      pen.closePath();
      pen.stroke();
    };
    if (scene.evidence) {
      for (const finding of scene.edit.findings) {
        for (const each of finding.evidence) {
          if (each.slice === k) line(each.polygon, COLOURS.evidence, [5, 4]);
        }
      }
    }
    for (const each of scene.edit.outlines) {
      if (each.slice !== k) continue;
      const rejected = scene.edit.states[each.finding] === "rejected";
      const colour = each === scene.outline ? COLOURS.chosen : COLOURS.outline;
      line(each.polygon, rejected ? COLOURS.rejected : colour, rejected ? [2, 4] : []);
    }
    if (scene.drawn?.length > 1) line(scene.drawn, COLOURS.chosen, [3, 3]);
    if (scene.pen) {
      const [x, y] = to(scene.pen);
      pen.setLineDash([]);
      pen.beginPath();
      for (const [u, v] of [[9, 0], [0, 9]].map((arm) => arm.map((length) => length * ratio))) {
        pen.moveTo(x - u, y - v);
        pen.lineTo(x + u, y + v);
      }
      pen.stroke();
    }
    if (scene.outline?.slice === k) {
      pen.setLineDash([]);
      for (const corner of scene.handles) {
        const [x, y] = to(scene.outline.polygon[corner]);
        const size = (corner === scene.handle ? 6 : 4) * ratio;
        pen.fillStyle = corner === scene.handle ? COLOURS.evidence : COLOURS.chosen;
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
  }

  // In the other two views an outline is where it crosses the plane.
  cuts(pen, scene, to, ratio) {
    const across = this.axis === "row" ? 1 : 0;
    pen.setLineDash([]);
    pen.lineWidth = 2 * ratio;
    for (const each of scene.edit.outlines) {
      if (scene.edit.states[each.finding] === "rejected") continue;
      pen.strokeStyle = each.finding === scene.finding ? COLOURS.chosen : COLOURS.outline;
      const met = crossings(each.polygon, across, this.at[this.axis]);
      for (let n = 0; n + 1 < met.length; n += 2) {
        const corners = [
          [met[n], each.slice - 0.5], [met[n + 1], each.slice - 0.5],
          [met[n + 1], each.slice + 0.5], [met[n], each.slice + 0.5],
        ];
        pen.beginPath();
        corners.forEach((point, m) => (m ? pen.lineTo(...to(point)) : pen.moveTo(...to(point))));
        pen.closePath();
        pen.stroke();
      }
    }
  }

  sides() {
    const { slice, row, column } = this.steps();
    const [x, y] = { slice: [column, row], row: [column, slice], column: [row, slice] }[this.axis];
    const none = this.study.units !== "mm";
    const right = none ? "" : direction(x);
    let bottom = none ? "" : direction(y);
    if (this.fit().upward) bottom = opposite[bottom];
    this.corners.right.textContent = right;
    this.corners.left.textContent = opposite[right] ?? "";
    this.corners.bottom.textContent = bottom;
    this.corners.top.textContent = opposite[bottom] ?? "";
  }
}
