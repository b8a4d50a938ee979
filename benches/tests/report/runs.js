// Made-up runs for a report that has everything: a history with a jump, timelines, percentiles, recommendations.
"use strict";

const environment = (commit) => ({
  commit: commit.repeat(40).slice(0, 40), branch: "main", dirty: false, machine: "lab", kernel: "6.1", cpu: "A processor",
  cores: 8, governor: "performance", load: 0.1, rustc: "rustc 1.95.0", version: "0.1.0",
});

// The same numbers in every run of this script: a linear congruential generator.
let state = 12345;
const noise = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648 - 0.5;

const metric = (name, unit, value, samples = 12) => {
  const all = Array.from({ length: samples }, () => value * (1 + noise() * 0.04));
  const sorted = [...all].sort((a, b) => a - b);
  return { name, unit, better: unit.endsWith("/s") ? "higher" : "lower", value: sorted[samples >> 1], samples: all };
};

const run = (at, kind, commit, metrics, rest = {}) => ({ id: 0, at, kind, environment: environment(commit), metrics, ...rest });

const DAY = 86400;
const BEGIN = 1790000000;
const runs = [];
for (let day = 0; day < 24; day++) {
  // From the fifteenth day on, recording is slower by a third.
  const slower = day < 14 ? 1 : 1.35;
  const metrics = [
    metric("record.p50", "ns", 24 * slower), metric("record.p99", "ns", 61 * slower), metric("path.events", "/s", 4.2e6),
    metric("spsc.push", "/s", 3.1e8), metric("encode.ns", "ns", 52),
  ];
  runs.push(run(BEGIN + day * DAY, "bench", (day < 14 ? "a" : "b") + day.toString(16), metrics));
}
const last = "b17";
const now = BEGIN + 23 * DAY + 60;
const curve = (f) => Array.from({ length: 120 }, (_, i) => f(i / 10));
const seconds = curve((s) => s);

const load = ["record", "end_to_end"].flatMap((what, i) => ["p50", "p95", "p99", "p999"].map((p, j) =>
  metric(`load.high.${what}.${p}`, "ns", (i ? 2.1e7 : 30) * (1 + j * 1.7), 8)));
load.push(metric("load.high.drop_rate", "%", 0.02, 8), metric("load.high.udp_loss", "%", 0.01, 8));
load.push({ ...metric("load.high.unaccounted", "events", 0, 8) }, metric("load.high.memory.growth", "B", 2.4e6, 8));
const rate = { name: "load.high.generated", unit: "/s", seconds, values: curve((s) => 1e5 * Math.min(1, s / 3)), marks: [[3, "sustain"]] };
runs.push(run(now, "load", last, load, { timelines: [rate] }));

const chaos = ["outage", "loss"].flatMap((fault) => [
  metric(`chaos.${fault}.before`, "/s", 1e5, 8), metric(`chaos.${fault}.degraded`, "%", 60, 8),
  metric(`chaos.${fault}.recovery`, "ns", 4e8, 8), metric(`chaos.${fault}.memory`, "B", 4e5, 8),
]);
chaos.push(metric("chaos.outage.breaker", "ns", 3e7, 8));
const marks = [[2, "fault"], [3, "end of fault"], [3.4, "recovered"]];
const timelines = ["outage", "loss"].map((fault) => ({
  name: `chaos.${fault}`, unit: "/s", seconds, values: curve((s) => (s > 2 && s < 3 ? 4e4 : 1e5)), marks,
}));
runs.push(run(now + 60, "chaos", last, chaos, { timelines }));

const hot = [["shop::cart::Cart<T>::total", 31], ["memcpy", 12], ["shop::orders::find", 9]];
const insights = [{
  severity: "high", subject: "scan.load.hot.shop::cart::Cart<T>::total", place: "src/cart.rs:42",
  meaning: "one function takes more than a quarter of all instructions", advice: "look at its lines", gain: "up to 31 % of the instructions", effort: "large",
}];
const exact = (m) => ({ ...m, exact: true, samples: [m.value] });
runs.push(run(now + 120, "scan", last, hot.map(([name, share]) => exact(metric(`scan.load.hot.${name}`, "%", share, 1))), { insights }));
runs.push(run(now + 180, "count", last, [exact(metric("bytes.event_1472", "B", 14.6, 1)), exact(metric("allocations.record", "blocks", 0, 1))]));

process.stdout.write(JSON.stringify(runs));
