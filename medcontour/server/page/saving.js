// What is done with the server: open, suggest, snap, save, download.

import { call, follow, get, send } from "./api.js";
import { Edit } from "./edit.js";
import { toIndex } from "./geometry.js";
import { report } from "./panels.js";
import { choose, draw, pick } from "./reader.js";
import { $, lpsOf, now, plainly, say, view } from "./state.js";

export const begin = plainly(async () => {
  now.info = await get("info");
  $("formats").replaceChildren(...now.info.formats.map((name) => new Option(name)));
  $("formats").value = "rtstruct";
  const studies = await get("studies");
  $("studies").replaceChildren(...studies.map((each) => new Option(each.name, each.study)));
  say(studies.length ? "" : "Upload a scan to begin.");
});

export const open = plainly(async (id) => {
  if (now.edit && !now.edit.saved && !confirm("The edit is not saved. Leave it?")) return;
  await giveBack();
  const study = await get(`studies/${id}`);
  view.open(study);
  Object.assign(now, { edit: null, finding: null, outline: null, drawn: null });
  now.judged.clear();
  $("suggest").disabled = false;
  $("report").replaceChildren();
  say(study.suggested ? "" : "Nothing was suggested for this scan yet.");
  if (study.suggested) await load();
  draw();
  await view.show();
});

async function load() {
  const id = view.study.study;
  const suggested = await get(`studies/${id}/suggestion`);
  now.known = new Set(suggested.findings.map((finding) => finding.id));
  const { edited } = await get(`studies/${id}`);
  const given = edited ? await get(`studies/${id}/suggestion?edited=true`) : suggested;
  now.edit = new Edit(given, view.study, now.known);
  if (edited) report($("report"), await get(`studies/${id}/edit`));
  choose(now.edit.order[0]?.id);
}

export const suggest = plainly(() => work({ kind: "suggest" }, load));

async function work(wanted, done) {
  const { job } = await send("POST", `studies/${view.study.study}/jobs`, wanted, now.lease);
  now.job = job;
  $("cancel").hidden = $("progress").hidden = false;
  try {
    const result = await follow(job, ({ state, step }) => {
      say(step ? `${step.what}: ${step.done} of ${step.most}` : state);
      $("progress").value = step ? step.done / step.most : 0;
    });
    say("");
    await done(result);
  } finally {
    now.job = null;
    $("cancel").hidden = $("progress").hidden = true;
  }
  draw();
}

const lease = async () => {
  if (!now.lease) {
    now.lease = (await send("POST", "leases", { study: view.study.study })).lease;
  }
  return now.lease;
};

export async function giveBack() {
  const held = now.lease;
  now.lease = null;
  if (held) await call("DELETE", `leases/${held}`, { keepalive: true }).catch(() => {});
}

export const save = plainly(async () => {
  if (!now.edit) return;
  const path = `studies/${view.study.study}/edit`;
  const made = await send("PUT", path, { outlines: now.edit.left() }, await lease());
  now.edit.saved = true;
  report($("report"), made);
  say("The edit is saved.");
});

export const download = plainly(async () => {
  if (!now.edit) return;
  if (!now.edit.saved) await save();
  const format = $("formats").value;
  const { edited } = await get(`studies/${view.study.study}`);
  const reply = await call("GET", `studies/${view.study.study}/export/${format}?edited=${edited}`);
  const name = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition"))[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await reply.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

export const snap = plainly(async () => {
  if (!now.outline) return say("Choose or draw an outline first.");
  const { slice } = now.outline;
  const polygons = [{ slice, corners_lps_mm: lpsOf(now.outline) }];
  await work({ kind: "snap", polygons }, ({ suggestion }) => {
    const found = suggestion.findings.flatMap((f) => f.slices).find((part) => part.outlines.length);
    if (!found) return say("Nothing was found from there.");
    const [outline] = found.outlines;
    const lps = outline.polygon_lps_mm;
    now.edit.remember();
    pick(now.edit.change(now.outline, lps.map((p) => toIndex(now.edit.affine(slice), p))));
  });
});
