/** Axes: round tick marks over a range, and how their values read. */

export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** Steps between ticks are 1, 2 or 5 times a power of ten. */
function niceStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough) ?? 10;
  return factor * power;
}

/** @param whole the values are whole numbers, and so are the ticks */
export function axisOf(
  label: string,
  [least, most]: readonly [number, number],
  { count, whole = false }: { readonly count: number; readonly whole?: boolean },
): Axis {
  const span = most > least ? most - least : Math.max(Math.abs(most), 1);
  const step = Math.max(niceStep(span, count), whole ? 1 : 0);
  const from = Math.floor(least / step + 1e-9) * step;
  const to = Math.ceil((least + span) / step - 1e-9) * step;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => {
    const at = from + i * step;
    return { at, text: at.toFixed(digits) };
  });
  return { label, from, to, ticks };
}

interface Unit {
  readonly name: string;
  readonly size: number;
}

const times: readonly Unit[] = [
  { name: "s", size: 1000 },
  { name: "min", size: 60_000 },
  { name: "h", size: 3_600_000 },
  { name: "days", size: 86_400_000 },
];
const bytes: readonly Unit[] = [
  { name: "kB", size: 1e3 },
  { name: "MB", size: 1e6 },
  { name: "GB", size: 1e9 },
  { name: "TB", size: 1e12 },
];

/** The largest unit of which the value holds two or more. */
const unitFor = (units: readonly Unit[], value: number): Unit =>
  units.findLast(({ size }) => value >= 2 * size) ?? units[0]!;

export const timeUnit = (ms: number): Unit => unitFor(times, ms);
export const byteUnit = (value: number): Unit => unitFor(bytes, value);
