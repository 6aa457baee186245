// Small things of the page that need the browser: popovers, dialogs, clipboard, theme.

const openPopovers = () => document.querySelectorAll("details.pop[open]");

// What is hidden cannot keep the focus: it returns to what opened it.
function close(popover) {
  const held = popover.contains(document.activeElement);
  popover.open = false;
  if (held) popover.querySelector("summary").focus({ preventScroll: true });
}

// Popovers close when something outside them, or a link inside them, is clicked, and on Escape.
export function install() {
  document.addEventListener("click", ({ target }) => {
    for (const popover of openPopovers()) {
      const inside = popover.contains(target);
      if (!inside || target.closest("a:not([data-stay])")) close(popover);
    }
  });
  // What lies on top is closed first, and alone; an open dialog closes by itself.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !isDialogOpen() && closePopover()) event.preventDefault();
  });
}

// Closes the topmost popover; answers whether there was one. Focus returns to what opened it.
export function closePopover() {
  const popover = [...openPopovers()].at(-1);
  if (!popover) return false;
  popover.open = false;
  popover.querySelector("summary").focus();
  return true;
}

export function togglePopover(id) {
  const popover = document.getElementById(id);
  if (!popover) return;
  const open = !popover.open;
  for (const other of openPopovers()) other.open = false;
  popover.open = open;
  (open ? (popover.querySelector(".panel :is(a, button, input)") ?? popover.querySelector("summary")) : popover.querySelector("summary")).focus();
}

export function showDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
}

export const isDialogOpen = () => document.querySelector("dialog[open]") !== null;

export function closeDialog(id) {
  document.getElementById(id)?.close();
}

// Once the page is drawn again: the first control inside takes the focus, if the one that had it is gone.
export function refocus(id) {
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body) return;
    document.getElementById(id)?.querySelector("input, summary, button:enabled")?.focus({ preventScroll: true });
  });
}

// Once the page is drawn again: brings a heading into view and begins reading there.
export function showHeading(id) {
  requestAnimationFrame(() => {
    const heading = document.getElementById(id);
    heading?.focus({ preventScroll: true });
    heading?.closest("section").scrollIntoView({ block: "nearest" });
  });
}

const KEYS_OFF = "headroom_keys=off";

export const keysWork = () => !document.cookie.split("; ").includes(KEYS_OFF);

export function setKeys(on) {
  document.cookie = `${KEYS_OFF}; path=/; samesite=lax; max-age=${on ? 0 : 365 * 24 * 3600}`;
}

// Answers whether the text is on the clipboard. Outside secure contexts browsers offer only the older way.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
    field.style.cssText = "position:fixed;opacity:0";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

// Shows a theme at once and lets the server remember it for the next first paint.
export async function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const body = new URLSearchParams({ theme, next: location.pathname + location.search });
  const answer = await fetch("/theme", { method: "POST", body, redirect: "manual", keepalive: true }).catch(() => null);
  return answer !== null && (answer.ok || answer.type === "opaqueredirect");
}

// Whether the focus is in something that the arrow keys scroll.
export const scrollsSideways = () => document.activeElement?.closest(".scroll-x, .points")?.matches("[tabindex]") ?? false;

export const nothingFocused = () => !document.activeElement?.closest("a, button, summary, input, select, textarea, [tabindex='0']");

// Moves the focus along the links that are shown in an element, beginning and ending at its field. A step of 0 follows the
// first link.
export function walk(id, step) {
  const root = document.getElementById(id);
  const links = [...root.querySelectorAll(".list a")].filter((link) => link.offsetParent !== null);
  if (step === 0) return links[0]?.click();
  const at = links.indexOf(document.activeElement) + step;
  (links[at] ?? root.querySelector("input") ?? links[0])?.focus();
}

export function search() {
  const field = document.querySelector("main input[type=search]");
  field?.focus();
  return field !== null;
}

// From anywhere in a row, or in what is open below it.
export function stepRow(step) {
  const rows = [...document.querySelectorAll("main .twisty")].filter((row) => row.offsetParent !== null);
  const here = document.activeElement?.closest("tr");
  const row = here?.matches(".detail") ? here.previousElementSibling : here;
  const at = rows.findIndex((twisty) => row?.contains(twisty));
  rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
}

// A drawing has no access to the tokens of the page: their names are replaced by what the theme makes of them.
function inked(svg) {
  const probe = document.body.appendChild(document.createElement("i"));
  const known = new Map();
  const color = (_, name) => {
    if (!known.has(name)) {
      probe.style.color = `var(${name})`;
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  };
  const drawn = svg.replace(/var\((--[\w-]+)\)/g, color);
  probe.remove();
  return drawn;
}

// Twice the size in pixels, for screens and print.
const SHARP = 2;

export async function savePicture(svg, width, height, name) {
  const image = new Image(width, height);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(inked(svg))}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * SHARP, height: height * SHARP });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const href = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
