"use strict";
// Draws the charts whose data stand in the page. Dragging zooms, a double click shows everything again.
(() => {
  // Colours that people with colour blindness can distinguish, too; the second list is for a dark ground.
  const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07800", "#2f8fc4", "#787800", "#5a5a5a"];
  const DARK = ["#4fb0ea", "#ff8a3d", "#3fd0a4", "#ea9dc8", "#e6b450", "#8fd0f5", "#c9c94a", "#b0b0b0"];
  const SCALES = {
    ns: [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]],
    B: [[1 << 20, "MiB"], [1024, "KiB"], [1, "B"]],
    "/s": [[1e6, "M/s"], [1e3, "k/s"], [1, "/s"]],
  };
  let printing = false;

  const show = (value, unit) => {
    if (value == null) return "–";
    const size = Math.abs(value);
    const [by, name] = (SCALES[unit] || []).find(([least]) => size >= least) || [1, unit];
    const n = value / by;
    const text = Number.isInteger(n) ? String(n) : n.toPrecision(Math.abs(n) >= 100 ? Math.ceil(Math.log10(Math.abs(n) + 1)) : 3);
    return `${text} ${name}`.trim();
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The values of the horizontal axis, in words.
  const label = (axis) => {
    if (axis.names) return (x) => axis.names[Math.round(x)] ?? "";
    if (axis === "seconds") return (x) => `${+x.toFixed(2)} s`;
    return (x) => new Date(x * 1000).toISOString().slice(0, 16).replace("T", " ");
  };

  // Of a logarithmic scale only the powers of ten have a line.
  const decades = (axis) => {
    const filter = (_, all) => all.map((v) => (v > 0 && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9 ? v : null));
    return { filter, grid: { ...axis.grid, filter }, ticks: { ...axis.ticks, filter } };
  };

  // Vertical lines with a few words: faults, change points.
  const marks = (lines) => ({
    hooks: {
      draw: (u) => {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = colour("--bad");
        ctx.setLineDash([4, 4]);
        ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        const seen = new Set();
        lines.flatMap((line) => line.marks).forEach(([at, words]) => {
          const x = Math.round(u.valToPos(at, "x", true));
          if (seen.has(at + words) || x < bbox.left || x > bbox.left + bbox.width) return;
          seen.add(at + words);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          const room = bbox.left + bbox.width - x > ctx.measureText(words).width + 8;
          ctx.textAlign = room ? "left" : "right";
          ctx.fillText(words, x + (room ? 4 : -4), bbox.top + (11 + 13 * (seen.size % 3)) * devicePixelRatio);
        });
        ctx.restore();
      },
    },
  });

  const draw = (figure, chart, chosen) => {
    const lines = chart.one_at_a_time ? [chart.lines[chosen]] : chart.lines;
    const unit = (chart.one_at_a_time && lines[0].unit) || chart.unit;
    const dark = !printing && matchMedia("(prefers-color-scheme: dark)").matches;
    const colours = dark ? DARK : LIGHT;
    const names = chart.axis.names;
    const bars = names && lines.length === 1;
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const x = label(chart.axis);
    const holder = figure.querySelector("div");
    holder.textContent = "";
    const data = lines.length === 1 ? [lines[0].x, lines[0].y] : uPlot.join(lines.map((line) => [line.x, line.y]));
    const series = lines.map((line, i) => ({
      label: line.name,
      stroke: colours[i % colours.length],
      fill: bars ? colours[0] + "99" : undefined,
      width: 2,
      spanGaps: true,
      paths: bars ? uPlot.paths.bars({ size: [0.6, 80] }) : undefined,
      points: { show: !bars && line.x.length < 80, size: 6 },
      value: (_, value) => show(value, unit),
    }));
    return new uPlot({
      width: Math.max(holder.clientWidth, 280),
      height: 280,
      plugins: [marks(lines)],
      scales: {
        x: names ? { time: false, range: (_, least, most) => [Math.max(least, 0) - 0.5, Math.min(most, names.length - 1) + 0.5] } : { time: false },
        y: chart.log ? { distr: 3 } : { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.08 : 1] },
      },
      axes: [
        { ...axis, values: (_, all) => all.map((v) => (names && !Number.isInteger(v) ? "" : x(v))), space: names ? 60 : chart.axis === "time" ? 130 : 60, incrs: names ? [1] : undefined },
        { ...axis, ...(chart.log && decades(axis)), size: 76, values: (_, all) => all.map((v) => (v == null ? "" : show(v, unit))) },
      ],
      series: [{ label: "at", value: (_, at) => (at == null ? "–" : x(at)) }, ...series],
    }, data, holder);
  };

  const all = [...document.querySelectorAll("figure")].map((figure) => {
    const chart = JSON.parse(figure.querySelector("script").textContent);
    let chosen = 0;
    let drawn;
    const again = () => {
      drawn?.destroy();
      drawn = draw(figure, chart, chosen);
    };
    const menu = figure.querySelector("select");
    menu?.addEventListener("change", () => {
      chosen = menu.selectedIndex;
      again();
    });
    again();
    return again;
  });
  const redraw = () => all.forEach((again) => again());
  let width = innerWidth;
  let soon;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(soon);
    soon = setTimeout(redraw, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  for (const [event, on] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => {
      printing = on;
      redraw();
    });
  }

  // A page from `perf serve` is loaded again when there is something new.
  if (document.body.dataset.state) {
    setInterval(async () => {
      try {
        const state = await (await fetch("/state")).text();
        if (state !== document.body.dataset.state) location.reload();
      } catch {
        // The server is gone. What is shown stays.
      }
    }, 5000);
  }
})();
