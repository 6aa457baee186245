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
    axisPointer: { lineStyle: { color: colour("ink"), width: 1, type: "solid" }, label: { show: false } },
    tooltip: {
      backgroundColor: colour("float"),
      borderColor: colour("line-2"),
      borderWidth: 1,
      padding: [6, 10],
      textStyle: { color: colour("ink"), fontFamily, fontSize: 12 },
      extraCssText: "border-radius:4px;font-variant-numeric:tabular-nums",
    },
  };
}
