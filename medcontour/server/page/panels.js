// What is written beside the picture: findings, figures of the chosen outline, the edit report.

const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);

function line(name, value) {
  const row = document.createElement("tr");
  for (const text of [name, value]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

export function findings(list, order, now, choose) {
  const every = now.edit?.order ?? [];
  const calibrated = every.some((finding) => finding.trust !== null);
  order.textContent = !now.edit ? "" : every.length === 0 ? "None were found." : calibrated
    ? "The least trusted first." : "Not calibrated: the weakest evidence first.";
  list.replaceChildren(
    ...every.map((finding) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const state = now.edit.states[finding.id];
      button.textContent = finding.name;
      button.classList.toggle("rejected", state === "rejected");
      button.setAttribute("aria-current", String(finding.id === now.finding));
      const more = document.createElement("small");
      const trust = finding.trust === null ? "" : `trust ${percent(finding.trust)}, `;
      more.textContent = `${trust}score ${percent(finding.score)}${state ? `, ${state}` : ""}`;
      button.append(more);
      button.addEventListener("click", () => choose(finding.id));
      item.append(button);
      return item;
    }),
  );
}

export function figures(table, now) {
  table.replaceChildren();
  const { outline } = now;
  const finding = now.edit?.findings.find((each) => each.id === now.finding);
  if (!finding) return;
  const judged = outline && now.judged.get(outline);
  const evidence = judged ? judged.slices[0].evidence : finding.figures[outline?.slice];
  const rows = [["finding", finding.name]];
  if (outline) rows.push(["slice", String(outline.slice + 1)]);
  if (outline && !outline.lps && !judged) rows.push(["evidence", "is measured"]);
  else {
    const of = judged ?? finding;
    rows.push(["trust", percent(of.trust)]);
    rows.push(["judged", judged ? "the curve as it is" : "as suggested"], ["status", of.status]);
    if (evidence) {
      rows.push(["inside alone", percent(evidence.preserved)], ["taken away", percent(evidence.deleted)]);
      rows.push(["views held", `${evidence.views_held ?? "–"} of ${evidence.views_tested ?? "–"}`]);
    }
  }
  table.append(...rows.map(([name, value]) => line(name, value)));
}

export function report(table, made) {
  const { total, findings: every, unit } = made;
  const changed = every.filter((each) => each.change !== "kept").length;
  const length = (value) => (value === null ? "–" : `${value.toFixed(1)} ${unit === "mm" ? "mm" : "px"}`);
  table.replaceChildren(
    line("changed", `${changed} of ${every.length}`),
    line("Dice", total.dice === null ? "–" : total.dice.toFixed(3)),
    line("HD95", length(total.hausdorff95_mm)),
    line("added path", length(total.added_path_length_mm)),
  );
}
