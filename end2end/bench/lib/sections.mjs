// Sections of docs/benchmarks.md that stand by themselves: each is written by its own measurement and kept by all others.

const begin = (name) => `<!-- section ${name} -->`;
const end = (name) => `<!-- end of section ${name} -->`;

/** The section of this name, with its marks; none when the page has none. */
export function sectionOf(page, name) {
  const [from, to] = [page.indexOf(begin(name)), page.indexOf(end(name))];
  return from >= 0 && to > from ? page.slice(from, to + end(name).length) : null;
}

/** The page with this text as the section of this name: in its old place, or at the end. */
export function withSection(page, name, text) {
  const marked = `${begin(name)}\n${text.trim()}\n${end(name)}`;
  const old = sectionOf(page, name);
  return old === null ? `${page.trimEnd()}\n\n${marked}\n` : page.replace(old, () => marked);
}

/** The page with the sections of another page that it lacks. */
export function withSectionsOf(page, other) {
  const names = [...other.matchAll(/^<!-- section (\S+) -->$/gm)].map(([, name]) => name);
  return names.reduce((page, name) => {
    const kept = sectionOf(other, name);
    return kept === null || sectionOf(page, name) !== null ? page : `${page.trimEnd()}\n\n${kept}\n`;
  }, page);
}
