/** Running text in lines of a terminal's width. */

/** Before what does not fit the first line. */
const indent = "  ";

/**
 * Breaks lines at spaces, those that go on indented by two. A word that is longer than a line, such as a path, is left whole on a line of
 * its own, so that it can be copied. Without a width (in a pipe, say) a line stays as it is.
 */
export function wrapped(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < 20) return text;
  return text
    .split("\n")
    .map((line) => wrappedLine(line, columns))
    .join("\n");
}

function wrappedLine(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const margin = /^ */.exec(line)?.[0] ?? "";
  const lines: string[] = [];
  let current = margin;
  for (const [gap, word] of wordsOf(line.slice(margin.length))) {
    if (current.trim() === "" || current.length + gap.length + word.length <= columns) {
      current += (current.trim() === "" ? "" : gap) + word;
      continue;
    }
    lines.push(current);
    current = margin + indent + (word === "·" ? "" : word);
  }
  // A dot between two parts of a line says nothing at the end of one.
  return [...lines, current].map((part) => part.replace(/ +·?$/, "")).join("\n");
}

/** Words, each with the space before it. */
function wordsOf(line: string): [gap: string, word: string][] {
  return [...line.matchAll(/( *)([^ ]+)/g)].map(([, gap = "", word = ""]) => [gap, word]);
}
