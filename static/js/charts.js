// Draws the charts of a page (components/chart.html) from the JSON that stands beside each of them.
// The library is loaded when the first chart appears. Colours come from the style sheets and follow the theme.
(() => {
  "use strict";

  const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
  const { nonce } = document.currentScript; // what the library has to carry, too
  const drawn = new Map();
  let library;

  function load(address) {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.nonce = nonce;
      script.addEventListener("load", resolve);
      script.addEventListener("error", reject);
      document.head.append(script);
    });
    return library;
  }

  // Colours ------------------------------------------------------------------------------------------------------

  // What the style sheets call a colour, as the plain rgb() that any library reads.
  function colour(figure, name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    figure.append(probe);
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    pen.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
    return `rgb(${red}, ${green}, ${blue})`;
  }

  function hatched(shade) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const pen = tile.getContext("2d");
    pen.strokeStyle = shade;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const shift of [-6, 0, 6]) {
      pen.moveTo(shift, 6);
      pen.lineTo(shift + 6, 0);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  }

  // Numbers ------------------------------------------------------------------------------------------------------

  const number = (value, most) => value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: most });

  function power(value, base) {
    let found = 0;
    for (let rest = Math.abs(value); rest >= base && found < UNITS.length - 1; rest /= base) found += 1;
    return found;
  }

  function exact(value, data, words) {
    if (data.unit !== "bytes") return `${number(value, 2)} ${data.unit}`.trim();
    const unit = power(value, data.base);
    const full = `${number(value, 0)} ${words.bytes}`;
    return unit ? `${number(value / data.base ** unit, 2)} ${UNITS[unit]} (${full})` : full;
  }

  // Drawing ------------------------------------------------------------------------------------------------------

  function datasets(figure, data, scale) {
    const shades = [1, 2, 3, 4, 5, 6].map((index) => colour(figure, `--chart-${index}`));
    const limit = colour(figure, "--chart-limit");
    // Lines without dots, but for a figure between two gaps: there is no line to it. "line" is the legend's mark, and a
    // level at a single bar is one that reaches beyond it.
    const alone = (most) => ({ dataset, dataIndex: at }) => ((dataset.data[at - 1] ?? dataset.data[at + 1] ?? null) === null ? most : 0);
    const bare = { pointRadius: alone(2.5), pointHitRadius: 6, pointStyle: "line" };
    const across = { ...bare, pointRadius: alone(28) };
    const scaled = (value) => (value === null ? null : value / scale);
    const rows = data.series.map((series, index) => {
      const shade = series.look === "dashed" ? limit : shades[index % shades.length];
      const row = { label: series.label, data: series.values.map(scaled), exact: series.values, marks: series.marks };
      if (series.look === "bar") {
        const stripes = series.marks.some(Boolean) && hatched(shade);
        const fill = series.values.map((_, at) => (series.marks[at] ? stripes : shade));
        return { ...row, type: "bar", backgroundColor: fill, borderColor: shade, borderRadius: 2, maxBarThickness: 28, pointStyle: "rect" };
      }
      const line = { type: "line", borderColor: shade, backgroundColor: shade, borderWidth: 2, tension: 0 };
      const dash = series.look === "dashed" ? { borderDash: [6, 4] } : {};
      return { ...row, ...line, ...dash, ...(series.look === "dashed" ? across : bare) };
    });
    const level = { type: "line", borderColor: limit, backgroundColor: limit, borderWidth: 1.5, borderDash: [6, 4] };
    for (const { label, value } of data.limits) {
      const values = data.labels.map(() => value);
      rows.push({ ...level, label, data: values.map(scaled), exact: values, ...across });
    }
    return rows;
  }

  function options(figure, data, unit, words) {
    const text = colour(figure, "--text-muted");
    const line = colour(figure, "--line");
    const ticks = { color: text, font: { family: getComputedStyle(figure).fontFamily, size: 11 } };
    const name = data.unit === "bytes" ? UNITS[unit] : data.unit;
    const whole = data.unit !== "bytes" && data.series.every((series) => series.values.every((value) => Number.isInteger(value ?? 0)));
    const label = (item) => {
      const mark = item.dataset.marks?.[item.dataIndex] ? `, ${words.estimated}` : "";
      return `${item.dataset.label}: ${exact(item.dataset.exact[item.dataIndex], data, words)}${mark}`;
    };
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: data.stacked, grid: { display: false }, border: { color: line }, ticks: { ...ticks, ...(data.names ? { maxRotation: 60, autoSkip: false } : { maxRotation: 0, autoSkipPadding: 12 }) } },
        y: {
          stacked: data.stacked,
          beginAtZero: true,
          grid: { color: line },
          border: { display: false },
          ticks: { ...ticks, maxTicksLimit: 6, ...(whole && { precision: 0 }), callback: (value) => number(value, 2) },
          title: { display: Boolean(name), text: name, color: text },
        },
      },
      plugins: {
        legend: {
          display: data.series.length + data.limits.length > 1,
          position: "bottom",
          labels: { ...ticks, usePointStyle: true, pointStyleWidth: 22, boxHeight: 8 },
        },
        tooltip: { callbacks: { label } },
      },
    };
  }

  function draw(figure) {
    const data = JSON.parse(document.getElementById(`chart-${figure.dataset.chart}`).textContent);
    const words = { bytes: figure.dataset.wordBytes, estimated: figure.dataset.wordEstimated };
    const box = figure.querySelector(".chart-box");
    const values = [...data.series.flatMap((series) => series.values), ...data.limits.map((limit) => limit.value)];
    const most = Math.max(...values.map((value) => Math.abs(value ?? 0)));
    const unit = data.unit === "bytes" ? power(most, data.base) : 0;
    drawn.get(figure)?.destroy();
    box.hidden = false;
    const config = {
      type: "bar",
      data: { labels: data.labels, datasets: datasets(figure, data, data.unit === "bytes" ? data.base ** unit : 1) },
      options: options(figure, data, unit, words),
    };
    drawn.set(figure, new window.Chart(box.querySelector("canvas"), config));
  }

  async function show() {
    for (const [figure, chart] of drawn) {
      if (!figure.isConnected) {
        chart.destroy();
        drawn.delete(figure);
      }
    }
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      if (drawn.has(figure) || !figure.querySelector(".chart-box")) continue;
      await load(figure.dataset.chartLibrary);
      if (figure.isConnected && !drawn.has(figure)) draw(figure);
    }
  }

  function redraw() {
    for (const figure of drawn.keys()) draw(figure);
  }

  document.addEventListener("htmx:afterSettle", show);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  show();
})();
