/** Splits comma-separated text into rows of cells (RFC 4180: quotes, doubled quotes, line ends of either kind). */

export interface CsvRow {
  /** Counted from 1, as editors do. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** Rows that are not empty, one at a time, so that a large file is never held twice. Cells are trimmed unless quoted. */
export function* csvRows(text: string): Generator<CsvRow> {
  let line = 1;
  let start = 0;
  while (start < text.length) {
    const end = rowEnd(text, start);
    const row = text.slice(start, end).replace(/\r$/, "");
    if (row.trim() !== "")
      yield { line, cells: row.includes('"') ? quotedCells(row) : row.split(",").map((c) => c.trim()) };
    line += row.split("\n").length;
    start = end + 1;
  }
}

/** The next line end outside quotes. */
function rowEnd(text: string, start: number): number {
  let end = text.indexOf("\n", start);
  const quote = text.indexOf('"', start);
  if (end < 0) return text.length;
  if (quote < 0 || quote > end) return end;
  let quoted = false;
  for (end = start; end < text.length; end++) {
    const character = text[end];
    if (character === '"') quoted = !quoted;
    else if (character === "\n" && !quoted) return end;
  }
  return text.length;
}

function quotedCells(row: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let wasQuoted = false;
  let quoted = false;
  const finish = () => {
    cells.push(wasQuoted ? cell : cell.trim());
    cell = "";
    wasQuoted = false;
  };
  for (let i = 0; i < row.length; i++) {
    const character = row[i] ?? "";
    if (quoted && character === '"' && row[i + 1] === '"') {
      cell += '"';
      i++;
    } else if (character === '"') {
      quoted = !quoted;
      wasQuoted = true;
    } else if (character === "," && !quoted) finish();
    else cell += character;
  }
  finish();
  return cells;
}
