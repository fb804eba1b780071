// What the page knows: the study in view, the edit, and what of it is chosen.

import { Refused } from "./api.js";
import { toLps } from "./geometry.js";
import { View } from "./view.js";

export const $ = (id) => document.getElementById(id);
const corners = Object.fromEntries(["left", "right", "top", "bottom"].map((id) => [id, $(id)]));
export const view = new View($("view"), $("picture"), corners);
export const now = { edit: null, finding: null, outline: null, handles: [], handle: null, drawn: null, pen: null,
  evidence: true, judged: new Map(), info: null, job: null, lease: null, known: new Set() };

export const say = (sentence) => ($("said").textContent = sentence);

// Whatever is refused is said; nothing else stops.
export const plainly = (work) => async (...given) => {
  try {
    return await work(...given);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      $("ask").showModal();
      if (!$("key").value) return say("");
    }
    say(error instanceof Refused ? error.message : `The page failed (${error.name}).`);
    if (!(error instanceof Refused)) console.error(error);
  }
};

export const lpsOf = (outline) =>
  outline.lps ?? outline.polygon.map((p) => toLps(now.edit.affine(outline.slice), p));
