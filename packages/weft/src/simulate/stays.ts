/** When machines are there, read from a file: one stay a line, as measured of real devices. */
import { readFileSync } from "node:fs";
import type { Stay, Stays } from "@weft/simulator";
import { UsageError } from "../errors.ts";

const form = "expected lines of MACHINE,FROM,TO with times in seconds";

/**
 * Machines are taken in the order in which the file first names them; a first line without figures is a heading.
 *
 * @throws {UsageError} naming the line that is none, or whose stay lies within another
 */
export function readStays(path: string): Stays {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`--stays ${path}: it cannot be read; ${form}`, { cause });
  }
  return parseStays(text, path);
}

export function parseStays(text: string, path: string): Stays {
  const machines = new Map<string, Stay[]>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [machine = "", ...times] = line.split(",").map((part) => part.trim());
    const [fromMs = NaN, toMs = NaN] = times.map((seconds) => (seconds === "" ? NaN : 1000 * Number(seconds)));
    if (index === 0 && Number.isNaN(fromMs) && times.length === 2) continue;
    if (machine === "" || times.length !== 2 || !(fromMs >= 0 && toMs > fromMs && toMs < Infinity)) {
      throw new UsageError(`--stays ${path}, line ${index + 1}: ${form}, 0 or later, FROM before TO; got ${line}`);
    }
    machines.set(machine, [...(machines.get(machine) ?? []), [fromMs, toMs]]);
  }
  if (machines.size === 0) throw new UsageError(`--stays ${path}: it names no machine; ${form}`);
  const sorted = [...machines].map(([machine, stays]) => {
    const ordered = stays.toSorted(([a], [b]) => a - b);
    if (ordered.some(([fromMs], i) => fromMs < (ordered[i - 1]?.[1] ?? 0))) {
      throw new UsageError(`--stays ${path}: stays of machine ${machine} overlap; give each moment once`);
    }
    return ordered;
  });
  const periodMs = sorted.reduce((last, stays) => Math.max(last, stays.at(-1)?.[1] ?? 0), 0);
  return { periodMs, machines: sorted };
}
