// Points of a slice, (column, row) with integers at pixel centres, to LPS mm and back; polygons.

export function toLps(affine, [column, row]) {
  return [0, 1, 2].map((n) => affine[n][0] * column + affine[n][1] * row + affine[n][3]);
}

export function toIndex(affine, point) {
  const along = [0, 1, 2].map((n) => affine[n][0]);
  const down = [0, 1, 2].map((n) => affine[n][1]);
  const off = [0, 1, 2].map((n) => point[n] - affine[n][3]);
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const [aa, ad, dd] = [dot(along, along), dot(along, down), dot(down, down)];
  const [ao, od] = [dot(along, off), dot(down, off)];
  const whole = aa * dd - ad * ad;
  return [(ao * dd - od * ad) / whole, (od * aa - ao * ad) / whole];
}

export function area(polygon) {
  let twice = 0;
  polygon.forEach(([x, y], n) => {
    const [u, v] = polygon[(n + 1) % polygon.length];
    twice += x * v - u * y;
  });
  return Math.abs(twice) / 2;
}

export function middle(polygon) {
  const sum = (n) => polygon.reduce((total, point) => total + point[n], 0);
  return [sum(0) / polygon.length, sum(1) / polygon.length];
}

export function contains(polygon, [x, y]) {
  let inside = false;
  polygon.forEach(([ax, ay], n) => {
    const [bx, by] = polygon[(n + 1) % polygon.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  });
  return inside;
}

// Where a polygon meets a line across an axis (0: column, 1: row), along the other axis.
export function crossings(polygon, axis, value) {
  const found = [];
  polygon.forEach((a, n) => {
    const b = polygon[(n + 1) % polygon.length];
    if (a[axis] > value !== b[axis] > value) {
      const share = (value - a[axis]) / (b[axis] - a[axis]);
      found.push(a[1 - axis] + share * (b[1 - axis] - a[1 - axis]));
    }
  });
  return found.sort((a, b) => a - b);
}

function lengths(polygon) {
  const at = [0];
  polygon.forEach(([x, y], n) => {
    const [u, v] = polygon[(n + 1) % polygon.length];
    at.push(at[n] + Math.hypot(u - x, v - y));
  });
  return at;
}

// Places of `count` corners that are evenly far apart along a polygon.
export function handlesOf(polygon, count) {
  const at = lengths(polygon);
  const whole = at[polygon.length];
  const chosen = [];
  for (let n = 0, corner = 0; n < count; n++) {
    while (corner < polygon.length - 1 && at[corner] < (whole * n) / count) corner++;
    if (chosen.at(-1) !== corner) chosen.push(corner);
  }
  return chosen;
}

// A polygon whose corner is dragged; corners farther along the curve follow less, and those
// beyond `reach` of its length not at all: they stay where they are, exactly.
export function dragged(polygon, corner, [dx, dy], reach = 0.15) {
  const at = lengths(polygon);
  const whole = at[polygon.length];
  return polygon.map(([x, y], n) => {
    const off = Math.abs(at[n] - at[corner]);
    const far = Math.min(off, whole - off) / (whole * reach);
    if (far >= 1) return [x, y];
    const share = (1 - far * far) ** 2;
    return [x + share * dx, y + share * dy];
  });
}

// A drawn line with corners at most `step` apart, and none closer than half of that.
export function smoothed(drawn, step = 1) {
  const kept = drawn.filter(([x, y], n) => {
    const [u, v] = drawn[n - 1] ?? [Infinity, Infinity];
    return Math.hypot(x - u, y - v) > step / 2;
  });
  return kept.flatMap(([x, y], n) => {
    const [u, v] = kept[(n + 1) % kept.length];
    const pieces = Math.max(1, Math.ceil(Math.hypot(u - x, v - y) / step));
    return Array.from({ length: pieces }, (_, m) => [
      x + ((u - x) * m) / pieces,
      y + ((v - y) * m) / pieces,
    ]);
  });
}

const SIDES = [["L", "R"], ["P", "A"], ["H", "F"]];

// What the direction of a step in LPS mm is called.
export function direction(step) {
  const axis = [0, 1, 2].reduce((a, b) => (Math.abs(step[b]) > Math.abs(step[a]) ? b : a));
  return SIDES[axis][step[axis] > 0 ? 0 : 1];
}

// The planes across these directions.
export const PLANES = { L: "sagittal", R: "sagittal", A: "coronal", P: "coronal", H: "axial", F: "axial" };

export const opposite = { L: "R", R: "L", P: "A", A: "P", H: "F", F: "H" };
