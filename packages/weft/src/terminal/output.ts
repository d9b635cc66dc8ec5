/** Where a command's news goes: a live line on a terminal, plain lines in a pipe, or one JSON object a line. */

import { wrapped } from "./wrapped.ts";

export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** One piece of the live line; the least important (highest `rank`) go first when the terminal is narrow. */
export interface Segment {
  readonly text: string;
  readonly rank: number;
}

export interface Output {
  readonly json: boolean;
  /** A line that stays; on a terminal it is broken to its width. */
  line(text: string): void;
  /** One event as an object, in JSON mode only. */
  event(event: object): void;
  /** The live line, replaced by the next; in a pipe one line every few seconds. */
  progress(segments: readonly Segment[]): void;
}

/** In a pipe a progress line is printed at most this often. */
const pipeIntervalMs = 2000;

export function createOutput(options: { json: boolean; stream?: OutputStream; nowMs?: () => number }): Output {
  const { json, stream = process.stdout, nowMs = () => performance.now() } = options;
  const live = stream.isTTY === true && !json;
  let printedAt = -Infinity;
  let open = false;
  return {
    json,
    line(text) {
      if (json) return;
      stream.write(`${open ? "\r\u001b[K" : ""}${wrapped(text, stream.columns)}\n`);
      open = false;
    },
    event(event) {
      // JSON has no NaN or infinities; null says that there is no number.
      if (json) stream.write(`${JSON.stringify(event)}\n`);
    },
    progress(segments) {
      if (live) {
        stream.write(`\r${fit(segments, columnsOf(stream) - 1)}\u001b[K`);
        open = true;
        return;
      }
      if (json || nowMs() - printedAt < pipeIntervalMs) return;
      printedAt = nowMs();
      stream.write(`${segments.map(({ text }) => text).join("  ")}\n`);
    },
  };
}

/** Some terminals say that they have no columns, and mean that they do not know. */
const columnsOf = ({ columns = 0 }: OutputStream) => (columns > 0 ? columns : 80);

/** Joins the segments that fit, dropping the least important first. */
export function fit(segments: readonly Segment[], columns: number): string {
  const kept = [...segments];
  const width = () => kept.reduce((sum, { text }) => sum + text.length, 0) + 2 * (kept.length - 1);
  while (kept.length > 1 && width() > columns) {
    const last = kept.reduce((worst, segment, i) => (segment.rank > (kept[worst]?.rank ?? 0) ? i : worst), 0);
    kept.splice(last, 1);
  }
  return kept
    .map(({ text }) => text)
    .join("  ")
    .slice(0, columns);
}
