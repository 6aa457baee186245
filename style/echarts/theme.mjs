// The ECharts theme, read from the design tokens. ECharts parses neither oklch() nor light-dark(), so the browser
// resolves each token and we pass rgb on. Build the theme again when the colour scheme changes.

const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const pixel = canvas.getContext("2d", { willReadFrequently: true });

/** The colour of token `--name` as seen from `root`, in a form that ECharts reads. */
export function token(name, root = document.documentElement, alpha = 1) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  root.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
  return alpha === 1 ? `rgb(${r},${g},${b})` : `rgba(${r},${g},${b},${alpha})`;
}

/** The theme for `init`: series colours, axes, lines, tooltip. */
export function headroomTheme(root = document.documentElement) {
  const colour = (name, alpha) => token(name, root, alpha);
  const fontFamily = getComputedStyle(document.body).fontFamily;
  const label = { color: colour("ink-3"), fontFamily, fontSize: 11 };
  const axis = {
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: label,
    splitLine: { lineStyle: { color: colour("line"), width: 1 } },
    nameTextStyle: label,
  };
  return {
    color: [1, 2, 3, 4, 5, 6, 7, 8].map((slot) => colour(`s${slot}`)),
    backgroundColor: "transparent",
    animation: false,
    textStyle: { fontFamily, color: colour("ink") },
    grid: { left: 42, right: 4, top: 6, bottom: 20 },
    timeAxis: {
      ...axis,
      axisLine: { show: true, lineStyle: { color: colour("line-2") } },
      splitLine: { show: false },
    },
    categoryAxis: { ...axis, splitLine: { show: false } },
    valueAxis: { ...axis, splitNumber: 4 },
    line: {
      lineStyle: { width: 1.6, join: "round" },
      showSymbol: false,
      symbol: "circle",
      symbolSize: 7,
      smooth: false,
      connectNulls: false,
      emphasis: { disabled: true },
    },
    bar: { itemStyle: { borderRadius: 1 } },
    axisPointer: { lineStyle: { color: colour("ink"), width: 1, type: "solid" }, label: { show: false } },
    tooltip: {
      backgroundColor: colour("float"),
      borderColor: colour("line-2"),
      borderWidth: 1,
      padding: [6, 10],
      textStyle: { color: colour("ink"), fontFamily, fontSize: 12 },
      extraCssText: "border-radius:4px;font-variant-numeric:tabular-nums",
    },
    markLine: { symbol: "none", lineStyle: { color: colour("ink-3"), type: [1.5, 2.5], width: 1 }, label },
    dataZoom: {
      borderColor: colour("accent"),
      fillerColor: colour("accent", 0.09),
      handleStyle: { color: colour("panel"), borderColor: colour("accent") },
      dataBackground: { lineStyle: { color: colour("o2") }, areaStyle: { opacity: 0 } },
    },
  };
}

// Line styles with a meaning, which a theme cannot express.

/** An objective: dashed. */
export const target = (root) => ({
  lineStyle: { color: token("degraded", root), type: [6, 3], width: 1.2 },
  label: { color: token("degraded", root), fontSize: 11 },
});

/** A hard limit: solid. */
export const limit = (root) => ({
  lineStyle: { color: token("critical", root), type: "solid", width: 1.2 },
  label: { color: token("critical", root), fontSize: 11 },
});

/** Percentiles are one hue in three steps; p95 leads. */
export const percentile = (root) => ({
  p50: { color: token("o1", root), width: 1.6 },
  p95: { color: token("o2", root), width: 2 },
  p99: { color: token("o3", root), width: 1.15 },
});

/** The same series one period before. */
export const previous = (root) => ({ color: token("s-prev", root), width: 1.2, type: [3, 3] });
