/** Running text in lines of a terminal's width. */

/** Before what does not fit the first line. */
const indent = "  ";
const separator = " · ";

/**
 * Breaks lines between parts that dots separate, else at spaces; those that go on are indented by two. A word that is longer than a line,
 * such as a path, is left whole on a line of its own, so that it can be copied. Without a width (in a pipe, say) a line stays as it is.
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
  const within = margin + indent;
  const lines: string[] = [];
  let current: string | undefined;
  for (const { gap, text } of piecesOf(line.slice(margin.length), columns - within.length)) {
    if (current !== undefined && current.length + gap.length + text.length > columns) {
      lines.push(current);
      current = undefined;
    }
    const begin = lines.length === 0 ? margin : within;
    current = current === undefined ? begin + text : current + gap + text;
  }
  return [...lines, current ?? ""].join("\n");
}

interface Piece {
  /** What stands before it in a line. */
  readonly gap: string;
  readonly text: string;
}

/** The parts of a line, those too long for one line as their words. */
function piecesOf(line: string, columns: number): Piece[] {
  return line.split(separator).flatMap((part, i) => {
    const gap = i === 0 ? "" : separator;
    if (part.length <= columns) return [{ gap, text: part }];
    const words = [...part.matchAll(/( *)([^ ]+)/g)];
    return words.map(([, space = "", text = ""], place) => ({ gap: place === 0 ? gap : space, text }));
  });
}
