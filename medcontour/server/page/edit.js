// The reader's outlines: each change gives a new list, so that any can be undone.

import { toIndex, toLps } from "./geometry.js";

export class Edit {
  // `given` is the suggestion, or what a reader left of it; `known` the ids of its findings.
  constructor(given, study, known) {
    this.study = study;
    this.findings = given.findings.map((finding) => ({
      id: finding.id,
      name: finding.label + (finding.number === null ? "" : ` ${finding.number}`),
      label: finding.label,
      trust: finding.trust,
      score: finding.score,
      status: finding.status,
      evidence: finding.slices.flatMap((part) =>
        part.evidence_contours.map((contour) => ({
          slice: part.slice,
          polygon: contour.polygon_lps_mm.map((p) => toIndex(this.affine(part.slice), p)),
        })),
      ),
      strength: strength(finding),
      figures: Object.fromEntries(finding.slices.map((part) => [part.slice, part.evidence])),
    }));
    this.outlines = given.findings.flatMap((finding) =>
      finding.slices.flatMap((part) =>
        part.outlines.map((outline) => {
          const lps = outline.polygon_lps_mm;
          return {
            finding: finding.id,
            sent: known.has(finding.id) ? finding.id : null,
            label: finding.label,
            slice: part.slice,
            polygon: lps.map((p) => toIndex(this.affine(part.slice), p)),
            lps, // as it came; it goes back as it is while nobody changes it
          };
        }),
      ),
    );
    this.states = {};
    this.before = [];
    this.saved = true;
  }

  affine(slice) {
    return this.study.slice_affines_lps[slice];
  }

  // Findings whose trust is lowest first; where there is none, those of the weakest evidence.
  get order() {
    return [...this.findings].sort(
      (a, b) => (a.trust ?? 2) - (b.trust ?? 2) || a.strength - b.strength,
    );
  }

  remember() {
    this.before.push({ outlines: this.outlines, findings: this.findings, states: this.states });
    this.saved = false;
  }

  undo() {
    const last = this.before.pop();
    if (!last) return false;
    Object.assign(this, last);
    this.saved = false;
    return true;
  }

  change(outline, polygon) {
    const changed = { ...outline, polygon, lps: null };
    this.outlines = this.outlines.map((each) => (each === outline ? changed : each));
    return changed;
  }

  add(slice, polygon, label) {
    const id = `new ${this.findings.length + 1}`;
    this.findings = [
      ...this.findings,
      { id, name: `${label}, drawn`, label, trust: null, score: null, status: "drawn by a reader",
        evidence: [], strength: 2, figures: {} },
    ];
    const outline = { finding: id, sent: null, label, slice, polygon, lps: null };
    this.outlines = [...this.outlines, outline];
    return outline;
  }

  mark(finding, state) {
    this.states = { ...this.states, [finding]: state };
  }

  // All outlines that stay, as the server takes them.
  left() {
    return this.outlines
      .filter((each) => this.states[each.finding] !== "rejected")
      .map((each) => ({
        finding: each.sent,
        label: each.sent ? null : each.label,
        slice: each.slice,
        corners_lps_mm: each.lps ?? each.polygon.map((p) => toLps(this.affine(each.slice), p)),
      }));
  }
}

function strength(finding) {
  const known = finding.slices.map((part) => part.evidence).filter(Boolean);
  const sum = known.reduce((total, each) => total + each.preserved - each.deleted, 0);
  return known.length ? sum / known.length : 2;
}
