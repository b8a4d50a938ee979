"use strict";
const $ = id => document.getElementById(id);
const history = new Map();
let last = null;
const short = v => v === null || v === undefined ? "–" : Math.abs(v) >= 1e9 ? (v / 1e9).toFixed(2) + " G" : Math.abs(v) >= 1e6 ? (v / 1e6).toFixed(2) + " M"
  : Math.abs(v) >= 1e4 ? (v / 1e3).toFixed(1) + " k" : Number.isInteger(v) ? String(v) : v.toPrecision(4);
function cell(row, text, cls) { const td = row.insertCell(); td.textContent = text; if (cls) td.className = cls; return td; }
function table(id, heads) {
  const t = $(id); t.replaceChildren(); const row = t.createTHead().insertRow();
  for (const [text, cls] of heads) { const th = document.createElement("th"); th.textContent = text; if (cls) th.className = cls; row.append(th); }
  return t.createTBody();
}
function spark(td, key, value) {
  const h = history.get(key) ?? []; h.push(value); if (h.length > 60) h.shift(); history.set(key, h);
  const min = Math.min(...h), span = Math.max(...h) - min || 1;
  const points = h.map((v, i) => `${i * 1.6},${15 - (v - min) / span * 13}`).join(" ");
  td.insertAdjacentHTML("beforeend", `<svg width="96" height="17" aria-hidden="true"><polyline points="${points}" fill="none" stroke="currentColor" opacity=".6"/></svg>`);
}
function tiles(id, list) {
  $(id).replaceChildren(...list.map(([name, value]) => { const d = document.createElement("div"); d.className = "tile";
    const b = document.createElement("b"); b.textContent = value; const n = document.createElement("span"); n.textContent = name; d.append(b, n); return d; }));
}
function kept(s, at) {
  $("data").hidden = !s.data;
  if (!s.data) return;
  const { data, io } = s, time = d => { const ms = d.secs * 1e3 + d.nanos / 1e6; return ms < 1e3 ? ms.toPrecision(3) + " ms" : (ms / 1e3).toPrecision(3) + " s"; };
  $("keeping").textContent = data.failing ? "cannot be written" : "written"; $("keeping").className = data.failing ? "unhealthy" : "healthy";
  tiles("kept", [["last written", data.last_unix_ms ? Math.max(0, (at - data.last_unix_ms) / 1e3).toFixed(0) + " s ago" : "never"], ["a commit takes", time(data.duration)],
    ["the longest took", time(data.longest)], ["bytes", short(data.file_bytes)], ["commits", short(io.data.commits + io.data.critical_commits)],
    ["commits that failed", short(io.data.commit_failures + io.data.critical_failures)], ["acknowledgements withheld", short(io.data.withheld)]]);
}
function show(s, at) {
  const now = performance.now(), dt = last ? (now - last.now) / 1000 : 0;
  const rate = (a, b) => dt && b !== undefined ? Math.max(0, (a - b) / dt) : 0;
  $("status").textContent = s.health.status; $("status").className = s.health.status;
  $("when").textContent = new Date().toLocaleTimeString();
  $("reasons").replaceChildren(...s.health.reasons.slice(0, 8).map(r => { const li = document.createElement("li"); li.textContent = r; return li; }));
  const refused = Object.values(s.refused_lines).reduce((a, b) => a + b.count, 0);
  const malformed = Object.values(s.malformed).reduce((a, b) => a + b, 0);
  const overall = [["records / s", short(rate(s.records, last?.s.records))], ["datagrams / s", short(rate(s.datagrams, last?.s.datagrams))],
    ["records", short(s.records)], ["lost datagrams", short(s.lost)], ["outstanding", short(s.outstanding)], ["duplicates", short(s.duplicates)],
    ["malformed", short(malformed)], ["lines / s", short(rate(s.lines, last?.s.lines))], ["refused lines", short(refused)], ["kernel drops", short(s.kernel_drops)], ["series", short(s.series_count)], ["senders", short(s.senders.length)]];
  tiles("tiles", overall);
  kept(s, at);
  const body = table("senders", [["sender"], ["health"], ["records / s", "n"], [""], ["records", "n"], ["received", "n"], ["lost", "n"], ["of these at sender", "n"],
    ["outstanding", "n"], ["late", "n"], ["duplicates", "n"], ["restarts", "n"], ["dropped at sender", "n"], ["silent", "n"]]);
  for (const x of s.senders.slice(0, 100)) {
    const row = body.insertRow(), was = last?.senders.get(x.id), r = rate(x.records, was?.records);
    const at = x.lines && ["StatsD", x.lines.container, x.address].filter(t => t).join(" ");
    const who = at ? at : x.info ? [x.info.program, x.info.version].filter(t => t).join(" ") + (x.info.host ? " on " + x.info.host : "") : "";
    cell(row, who || x.id).title = [x.id, x.number && "sends as " + x.number, x.address, ...(x.lines ? [x.lines.received + " lines; without numbers, nobody can know what the network lost"] : []),
      ...Object.entries(x.lines?.refused ?? {}).map(([reason, n]) => n + " lines refused: " + reason), ...(x.info?.labels ?? []).map(t => t.join("="))].filter(t => t).join("\n");
    cell(row, x.health.status, x.health.status).title = x.health.reasons.join("\n");
    cell(row, short(r), "n"); spark(cell(row, ""), "s" + x.id, r);
    for (const v of [x.records, x.received, x.lost, x.lost_at_sender, x.outstanding, x.late, x.duplicates, x.restarts, x.dropped_at_sender]) cell(row, short(v), "n");
    cell(row, x.life === "gone" ? "gone" : (x.silent_ms / 1000).toFixed(0) + " s", "n");
  }
  if (!s.senders.length) cell(body.insertRow(), "Nobody has sent anything yet. Try: ringstat send hello 1").colSpan = 14;
  $("refusals").hidden = !refused;
  const lines = table("refused", [["reason"], ["lines", "n"], ["for example"], ["from"]]);
  for (const [reason, x] of Object.entries(s.refused_lines).sort((a, b) => b[1].count - a[1].count)) {
    const row = lines.insertRow(); cell(row, reason); cell(row, short(x.count), "n"); cell(row, x.example ?? "–", "tag"); cell(row, x.from ?? "–", "tag");
  }
  $("sends").hidden = !s.outputs.length;
  const outputs = table("outputs", [["output"], ["to"], ["state"], ["sent", "n"], ["pending", "n"], ["oldest", "n"], ["dropped", "n"], ["failures", "n"]]);
  for (const x of s.outputs) {
    const row = outputs.insertRow(), c = x.counts; cell(row, x.kind); cell(row, x.target);
    cell(row, x.failing ? "failing" : "well", x.failing ? "degraded" : "healthy").title = x.failing ?? "";
    for (const v of [c.sent, x.pending_samples]) cell(row, short(v), "n");
    cell(row, x.oldest_pending.toFixed(0) + " s", "n"); cell(row, short(c.dropped.reduce((a, b) => a + b, 0)), "n"); cell(row, short(c.failures), "n");
  }
  const filter = $("filter").value.toLowerCase();
  const values = table("series", [["name"], ["tags"], ["class"], ["value", "n"], [""], ["p50", "n"], ["p99", "n"], ["unit"], ["sender"]]);
  for (const x of s.series) {
    const tags = x.tags.map(t => t.join("=")).join(" ");
    if (filter && !(x.name + " " + tags).toLowerCase().includes(filter)) continue;
    const row = values.insertRow(); cell(row, x.name); cell(row, tags, "tag"); cell(row, x.class + (x.scaled ? (x.class === "set" ? " (estimated)" : " (scaled)") : ""), "tag");
    cell(row, x.text ? x.text + " × " + short(x.value) : short(x.value), "n"); spark(cell(row, ""), x.sender + x.class + x.name + tags, x.value);
    cell(row, x.quantiles ? short(x.quantiles[0]) : "", "n"); cell(row, x.quantiles ? short(x.quantiles[1]) : "", "n"); cell(row, x.unit); cell(row, x.sender.slice(0, 8), "tag");
  }
  last = { s, now, senders: new Map(s.senders.map(x => [x.id, x])) };
  if (history.size > 2000) history.clear();
}
async function tick() {
  // By the collector's clock, which need not be that of the browser.
  try { const answer = await fetch("/api/state"); show(await answer.json(), Date.parse(answer.headers.get("date"))); }
  catch (e) { $("status").textContent = "collector does not answer"; $("status").className = "unhealthy"; }
  setTimeout(tick, 1000);
}
tick();
