/** Plots as SVG: lines and points over labelled axes, with regions of a classifier behind them where there are any. */

export type Point = readonly [x: number, y: number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Default "line". */
  readonly as?: "line" | "points";
}

/** What a classifier says of points: the class of each (0, 1, …, in the order of the series). Asked for a grid of them. */
export type Classifier = (points: readonly Point[]) => ArrayLike<number>;

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly regions?: Classifier;
  /** Axes that must contain these values, such as 0. */
  readonly include?: { readonly x?: readonly number[]; readonly y?: readonly number[] };
}

const size = { width: 640, height: 400 };
const margin = { left: 64, right: 24, top: 68, bottom: 52 };
/** Told apart with any kind of colour vision (Okabe and Ito 2008). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const cells = { columns: 96, rows: 56 };

/** The plot as an SVG document. */
export function plot(options: Plot): string {
  const { title, x, y, series, regions, include } = options;
  const points = series.flatMap((one) => one.points);
  const across = createAxis(
    [...points.map(([value]) => value), ...(include?.x ?? [])],
    margin.left,
    size.width - margin.right,
  );
  const up = createAxis(
    [...points.map(([, value]) => value), ...(include?.y ?? [])],
    size.height - margin.bottom,
    margin.top,
  );
  const middle = (margin.left + size.width - margin.right) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${middle}" y="24" text-anchor="middle" font-size="16">${escaped(title)}</text>`,
    legend(series),
    ...(regions ? regionPaths(regions, across, up) : []),
    ...across.ticks.map((tick) => line([across.at(tick), margin.top], [across.at(tick), size.height - margin.bottom])),
    ...up.ticks.map((tick) => line([margin.left, up.at(tick)], [size.width - margin.right, up.at(tick)])),
    ...across.ticks.map((tick) => text([across.at(tick), size.height - margin.bottom + 18], "middle", number(tick))),
    ...up.ticks.map((tick) => text([margin.left - 8, up.at(tick) + 4], "end", number(tick))),
    text([middle, size.height - 12], "middle", x),
    `<text transform="translate(18 ${(margin.top + size.height - margin.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    ...series.map((one, i) => drawn(one, colour(i), (point) => [across.at(point[0]), up.at(point[1])])),
    "</svg>\n",
  ].join("\n");
}

/** Values in a line of text, such as ▇▅▃▂▁; at most `width` of them, each the mean of its share. */
export function sparkline(values: readonly number[], width = 60): string {
  const columns = Math.min(width, values.length);
  const means = Array.from({ length: columns }, (_, column) => {
    const part = values.slice(
      Math.floor((column * values.length) / columns),
      Math.floor(((column + 1) * values.length) / columns),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const bars = "▁▂▃▄▅▆▇█";
  return means.map((mean) => bars[Math.round(((mean - low) / (high - low || 1)) * (bars.length - 1))]).join("");
}

interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  /** Where a value lies in the picture. */
  readonly at: (value: number) => number;
}

/** An axis whose ends are round numbers around all values. */
function createAxis(values: readonly number[], start: number, end: number): Axis {
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const spread = high - low || Math.abs(high) || 1;
  const rough = 10 ** Math.floor(Math.log10(spread / 5));
  const step = rough * ([1, 2, 5, 10].find((factor) => spread / (factor * rough) <= 7) ?? 10);
  const [from, to] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => from + i * step);
  return { from, to, ticks, at: (value) => start + ((value - from) / (to - from || 1)) * (end - start) };
}

/** One path of rectangles for each class; neighbours in a row are joined. */
function regionPaths(classify: Classifier, across: Axis, up: Axis): string[] {
  const { columns, rows } = cells;
  const [width, height] = [
    (size.width - margin.left - margin.right) / columns,
    (size.height - margin.top - margin.bottom) / rows,
  ];
  const grid = Array.from({ length: rows * columns }, (_, i): Point => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return [
      across.from + ((column + 0.5) / columns) * (across.to - across.from),
      up.to - ((row + 0.5) / rows) * (up.to - up.from),
    ];
  });
  const classes = classify(grid);
  const paths: string[] = [];
  for (let start = 0, end = 1; start < grid.length; start = end, end++) {
    const own = classes[start] ?? 0;
    while (end % columns !== 0 && classes[end] === own) end++;
    const [left, top] = [margin.left + (start % columns) * width, margin.top + Math.floor(start / columns) * height];
    const run = ((end - start) * width).toFixed(1);
    paths[own] = `${paths[own] ?? ""}M${left.toFixed(1)} ${top.toFixed(1)}h${run}v${height.toFixed(1)}h-${run}z`;
  }
  return paths.map((path, i) => `<path d="${path}" fill="${colour(i)}" fill-opacity="0.2"/>`);
}

function drawn({ points, as = "line" }: Series, fill: string, place: (point: Point) => Point): string {
  const placed = thinned(points, as).map((point) => place(point).map((value) => Number(value.toFixed(1))));
  if (as === "line") {
    return `<polyline fill="none" stroke="${fill}" stroke-width="2" stroke-linejoin="round" points="${placed.join(" ")}"/>`;
  }
  return `<g fill="${fill}" stroke="#fff" stroke-width="0.7">${placed.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="4"/>`).join("")}</g>`;
}

/** No line needs more points than the picture has columns. */
function thinned(points: readonly Point[], as: "line" | "points"): readonly Point[] {
  const most = 300;
  if (as === "points" || points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))] ?? [0, 0]);
}

function legend(series: readonly Series[]): string {
  let x = margin.left;
  return series
    .map(({ name }, i) => {
      const entry = `<circle cx="${x + 5}" cy="48" r="5" fill="${colour(i)}"/>${text([x + 16, 52], "start", name)}`;
      x += 40 + 7 * name.length;
      return entry;
    })
    .join("");
}

const colour = (i: number) => colours[i % colours.length] ?? "#000";
const escaped = (words: string) => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const number = (value: number) => String(Number(value.toPrecision(6))).replace("-", "−");
const line = ([x1, y1]: Point, [x2, y2]: Point) =>
  `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" stroke="#bbb" stroke-width="0.5"/>`;
const text = ([x, y]: Point, anchor: string, words: string) =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
