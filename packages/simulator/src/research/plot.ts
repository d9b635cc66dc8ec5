/** Curves of several simulations as an SVG: a metric against rounds, virtual time, and bytes moved. */
import { axisOf, byteUnit, timeUnit, type Axis } from "./axis.ts";

export interface Curve {
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

export interface CurvePoint {
  readonly round: number;
  readonly timeMs: number;
  /** Up and down together. */
  readonly bytes: number;
  readonly value: number;
}

export interface PlotOptions {
  readonly title: string;
  readonly metric: string;
  /** Show values as percentages. */
  readonly percent: boolean;
}

/** Told apart by people who do not see all colours (Okabe and Ito 2008). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a6d3b"];
const dashes = ["", "7 3", "2 3", "9 3 2 3"];

const panel = { width: 300, height: 240, gap: 24 };
const margin = { left: 62, right: 20, top: 44, bottom: 50 };
const legendLine = 20;
const characterWidth = 6.6;

interface Box {
  readonly x: number;
  readonly y: number;
}

export function plotCurves(curves: readonly Curve[], { title, metric, percent }: PlotOptions): string {
  const points = curves.flatMap((curve) => curve.points);
  const scale = percent ? 100 : 1;
  const values = points.map(({ value }) => value * scale);
  const vertical = axisOf(percent ? `${metric} (%)` : metric, rangeOf(values), { count: 6 });
  const most = (of: (point: CurvePoint) => number) => points.reduce((max, point) => Math.max(max, of(point)), 0);
  const time = timeUnit(most(({ timeMs }) => timeMs));
  const data = byteUnit(most(({ bytes }) => bytes));
  const panels: readonly {
    readonly label: string;
    readonly whole?: boolean;
    readonly at: (p: CurvePoint) => number;
  }[] = [
    { label: "rounds", whole: true, at: ({ round }) => round },
    { label: `virtual time (${time.name})`, at: ({ timeMs }) => timeMs / time.size },
    { label: `moved up and down (${data.name})`, at: ({ bytes }) => bytes / data.size },
  ];
  const width = margin.left + panels.length * panel.width + (panels.length - 1) * panel.gap + margin.right;
  const legend = legendOf(curves, width - margin.left - margin.right);
  const top = margin.top + legend.height;
  const drawn = panels.map(({ label, whole = false, at }, index) => {
    const horizontal = axisOf(label, [0, most(at)], { count: 5, whole });
    const box = { x: margin.left + index * (panel.width + panel.gap), y: top };
    const lines = curves.map((curve, i) =>
      lineOf(
        curve.points.map((point) => [place(at(point), horizontal, box), level(point.value * scale, vertical, box)]),
        i,
      ),
    );
    return [frameOf(box, horizontal, vertical, index === 0), ...lines].join("\n");
  });
  const height = top + panel.height + margin.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.left}" y="26" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    legend.text,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

function rangeOf(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  return [finite.reduce((a, b) => Math.min(a, b), Infinity), finite.reduce((a, b) => Math.max(a, b), -Infinity)].map(
    (end) => (Number.isFinite(end) ? end : 0),
  ) as [number, number];
}

const place = (value: number, { from, to }: Axis, { x }: Box) => x + ((value - from) / (to - from)) * panel.width;
const level = (value: number, { from, to }: Axis, { y }: Box) =>
  y + panel.height - ((value - from) / (to - from)) * panel.height;

function frameOf(box: Box, horizontal: Axis, vertical: Axis, labelled: boolean): string {
  const bottom = box.y + panel.height;
  const parts: string[] = [];
  for (const { at, text } of vertical.ticks) {
    const y = round(level(at, vertical, box));
    parts.push(`<line x1="${box.x}" x2="${box.x + panel.width}" y1="${y}" y2="${y}" stroke="#e4e4e4"/>`);
    if (labelled) parts.push(`<text x="${box.x - 7}" y="${y + 4}" text-anchor="end">${text}</text>`);
  }
  for (const { at, text } of horizontal.ticks) {
    const x = round(place(at, horizontal, box));
    parts.push(`<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 5}" stroke="#444"/>`);
    parts.push(`<text x="${x}" y="${bottom + 19}" text-anchor="middle">${text}</text>`);
  }
  const middle = box.x + panel.width / 2;
  parts.push(`<text x="${middle}" y="${bottom + 39}" text-anchor="middle">${escaped(horizontal.label)}</text>`);
  if (labelled) {
    const y = box.y + panel.height / 2;
    parts.push(
      `<text x="18" y="${y}" text-anchor="middle" transform="rotate(-90 18 ${y})">${escaped(vertical.label)}</text>`,
    );
  }
  parts.push(`<path d="M${box.x} ${box.y}V${bottom}H${box.x + panel.width}" fill="none" stroke="#444"/>`);
  return parts.join("\n");
}

function lineOf(points: readonly (readonly [number, number])[], index: number): string {
  const shown = points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => `${round(x)},${round(y)}`);
  if (shown.length === 0) return "";
  if (shown.length === 1) {
    const [x, y] = shown[0]!.split(",");
    return `<circle cx="${x ?? ""}" cy="${y ?? ""}" r="3" fill="${colourOf(index)}"/>`;
  }
  return `<polyline points="${shown.join(" ")}" fill="none" stroke="${colourOf(index)}" stroke-width="1.8" stroke-linejoin="round"${dashOf(index)}/>`;
}

/** Names beside pieces of their lines, in as many rows as they need. */
function legendOf(curves: readonly Curve[], width: number): { readonly text: string; readonly height: number } {
  let [x, row] = [0, 0];
  const parts = curves.map(({ name }, index) => {
    const taken = 34 + name.length * characterWidth + 18;
    if (x > 0 && x + taken > width) [x, row] = [0, row + 1];
    const [left, y] = [margin.left + x, margin.top + row * legendLine];
    x += taken;
    return (
      `<line x1="${left}" x2="${left + 26}" y1="${y}" y2="${y}" stroke="${colourOf(index)}" stroke-width="2.5"${dashOf(index)}/>` +
      `<text x="${left + 33}" y="${y + 4}">${escaped(name)}</text>`
    );
  });
  return { text: parts.join("\n"), height: (row + 1) * legendLine };
}

const colourOf = (index: number) => colours[index % colours.length]!;

function dashOf(index: number): string {
  const dash = dashes[Math.floor(index / colours.length) % dashes.length]!;
  return dash === "" ? "" : ` stroke-dasharray="${dash}"`;
}

const round = (value: number) => Math.round(10 * value) / 10;

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
