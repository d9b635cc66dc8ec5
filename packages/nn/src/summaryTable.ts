/** The summary of a model as a table that fits a terminal of 80 columns. */
import type { TensorType } from "@weft/tensor";
import type { LayerLike } from "./layer.ts";
import type { LayerSummary, SummaryOptions } from "./summarize.ts";
import { shapeText, summarize } from "./summarize.ts";

/**
 * Layers with output shape, parameters, FLOPs on the way forward and memory of the output, all for one example:
 * `console.log(summary(model, { shape: [1, 28, 28, 1], dtype: "f32" }))`.
 *
 * @param options `depth`: 1, the default, shows the layers of the model; 2 also the layers in those, and so on
 */
export function summary(model: LayerLike, input: TensorType, { depth = 1 }: SummaryOptions = {}): string {
  const found = summarize(model, input, { depth });
  const { rest, parameters, statistics, flops } = found;
  const own = rest.parameters > 0 || rest.flops > 0;
  const rows = [
    ["layer", "output", "parameters", "FLOPs", "memory"],
    ...found.layers.map(rowOf),
    ...(own ? [["(between layers)", "", countText(rest.parameters), unitText(rest.flops, 1000), ""]] : []),
  ];
  const bytes = (n: number) => `${unitText(n, 1024)}B`;
  const kept = statistics > 0 ? `, ${countText(statistics)} of them running statistics` : "";
  return [
    ...table(rows),
    "",
    `${countText(parameters)} parameters (${bytes(4 * parameters)} as f32)${kept}`,
    `forward pass of one example: ${unitText(flops, 1000)} FLOPs, at most ${bytes(found.peakBytes)} at once`,
  ].join("\n");
}

const rowOf = ({ path, kind, output, parameters, flops, outputBytes }: LayerSummary): string[] => [
  path.startsWith(kind) ? path : [path, kind && path ? `(${kind})` : kind].join(" ").trim(),
  shapeText(output),
  countText(parameters),
  unitText(flops, 1000),
  `${unitText(outputBytes, 1024)}B`,
];

const columns = 80;
const gap = 2;

/** The first two columns to the left, numbers to the right; names are cut where the line would be too long. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const others = widths.slice(1).reduce((sum, width) => sum + width + gap, 0);
  const first = Math.max(12, Math.min(widths[0] ?? 0, columns - others));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        if (i === 0) return shortened(cell, first).padEnd(first);
        return i === 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
      })
      .join(" ".repeat(gap))
      .trimEnd();
  const [head = [], ...body] = rows;
  const title = line(head);
  return [title, "─".repeat(Math.min(columns, first + others)), ...body.map(line)];
}

const shortened = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

const countText = (n: number) => n.toLocaleString("en-US");

/** Three digits and a letter for the power of `base`: 693 K, 4.02 G. */
function unitText(n: number, base: number): string {
  const units = ["", "K", "M", "G", "T", "P"];
  const power = n < base ? 0 : Math.min(units.length - 1, Math.floor(Math.log(n) / Math.log(base)));
  const value = n / base ** power;
  const digits = power === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[power] ?? ""}`.trimEnd() + (power === 0 && base === 1024 ? " " : "");
}
