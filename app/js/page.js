// Small things of the page that need the browser: popovers, dialogs, clipboard, theme.

const openPopovers = () => document.querySelectorAll("details.pop[open]");

// What is hidden cannot keep the focus: it returns to what opened it.
function close(popover) {
  const held = popover.contains(document.activeElement);
  popover.open = false;
  if (held) popover.querySelector("summary").focus({ preventScroll: true });
}

// Popovers close when something outside them, or a link inside them, is clicked.
export function install() {
  document.addEventListener("click", ({ target }) => {
    for (const popover of openPopovers()) {
      const inside = popover.contains(target);
      if (!inside || (target.closest("a") && !target.closest("summary"))) close(popover);
    }
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
