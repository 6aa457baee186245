// Binds plots to ECharts, which is fetched when the first chart comes into view.
//
// Options arrive as JSON. Two kinds of strings are replaced here, so that no option ever needs eval (the content
// security policy forbids it): "@fn:<name>" by a callback of that chart, "@token:<name>" by the colour of a design token.

const GROUP = "page"; // charts of one group share the cursor
const DRAG_PX = 8; // shorter drags are clicks

let library;
let ready;
const mounted = new Set();

function load() {
  library ??= import(document.querySelector('meta[name="asset-echarts"]').content).then((module) => {
    ready = module;
    module.connect(GROUP);
    // Tokens resolve to other colours in another theme.
    const repaint = () => mounted.forEach(paint);
    new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    return module;
  });
  return library;
}

function revive(value, callbacks) {
  if (typeof value === "string") {
    if (value.startsWith("@fn:")) return callbacks[value.slice(4)];
    if (value.startsWith("@token:")) return ready.token(value.slice(7));
    return value;
  }
  if (Array.isArray(value)) return value.map((item) => revive(item, callbacks));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item, callbacks)]));
}

function paint(handle) {
  handle.chart?.dispose();
  handle.chart = ready.init(handle.element, ready.headroomTheme(), { renderer: "svg" });
  handle.chart.group = GROUP;
  draw(handle);
}

function draw(handle) {
  const option = revive(handle.option, handle.callbacks);
  // Beside the cursor at the top of the frame, so that the charts of a row can be read together.
  const position = ([x], _points, _box, _rect, { contentSize: [width], viewSize: [room] }) => [
    x + width + 12 > room ? Math.max(x - width - 12, 0) : x + 12,
    0,
  ];
  const tooltip = { ...option.tooltip, position, transitionDuration: 0 };
  handle.chart.setOption({ ...option, tooltip, animation: false }, { lazyUpdate: true });
}

// Draws on the time axis by dragging: the selected stretch becomes the range of the page.
function selectRange(handle, signal) {
  const { element } = handle;
  let start = null;
  const box = document.createElement("div");
  box.className = "chart-select";
  box.hidden = true;
  element.after(box);
  const place = (event) => event.clientX - element.getBoundingClientRect().left;
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  on(element, "pointerdown", (event) => {
    if (event.button === 0 && event.pointerType !== "touch") start = place(event);
  });
  on(window, "pointermove", (event) => {
    if (start === null) return;
    const end = Math.min(Math.max(place(event), 0), element.clientWidth);
    box.hidden = Math.abs(end - start) < DRAG_PX;
    box.style.left = `${element.offsetLeft + Math.min(start, end)}px`;
    box.style.width = `${Math.abs(end - start)}px`;
  });
  on(window, "pointerup", (event) => {
    if (start === null) return;
    const end = Math.min(Math.max(place(event), 0), element.clientWidth);
    const [left, right] = [Math.min(start, end), Math.max(start, end)];
    start = null;
    box.hidden = true;
    if (right - left < DRAG_PX || !handle.chart) return;
    const time = (x) => handle.chart.convertFromPixel({ xAxisIndex: 0 }, x);
    handle.zoom(time(left), time(right));
  });
  signal.addEventListener("abort", () => box.remove());
}

// Watches an element; mounts the chart once it is in view. `tooltip(slot)` answers HTML that is already escaped.
export function attach(element, json, tooltip, zoom) {
  const stop = new AbortController();
  const handle = {
    element,
    zoom,
    stop,
    option: JSON.parse(json),
    chart: null,
    // The line of means comes last among the series under the cursor.
    callbacks: { tooltip: (points) => tooltip(points[points.length - 1].dataIndex) },
  };
  const view = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    view.disconnect();
    try {
      await load();
    } catch {
      return; // the painted chart stays: it shows the same points
    }
    if (stop.signal.aborted || !element.isConnected) return;
    mounted.add(handle);
    paint(handle);
    const size = new ResizeObserver(() => handle.chart.resize());
    size.observe(element);
    stop.signal.addEventListener("abort", () => size.disconnect());
    selectRange(handle, stop.signal);
    element.closest(".chart-frame").classList.add("is-live");
  });
  view.observe(element);
  stop.signal.addEventListener("abort", () => view.disconnect());
  return handle;
}

export function update(handle, json) {
  handle.option = JSON.parse(json);
  if (handle.chart) draw(handle);
}

export function detach(handle) {
  handle.stop.abort();
  mounted.delete(handle);
  handle.chart?.dispose();
  handle.chart = null;
}
