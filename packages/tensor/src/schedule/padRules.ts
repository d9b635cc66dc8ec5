/**
 * A sum of zero-padded pieces that do not overlap is their concat: the gradient of a value that was taken apart by slices.
 * (Exact but for the sign of a zero: a piece's -0 would have become 0.)
 */
import type { Rewriter, Rule } from "./rewriter.ts";

/** Values side by side along one axis, with zeros between them. */
interface Pieces {
  readonly axis: number;
  readonly pieces: readonly { readonly start: number; readonly value: number }[];
}

export const joinPieces: Rule<"add"> = (rewriter, { inputs, outputs }) => {
  const [left, right] = [piecesOf(rewriter, inputs[0]!), piecesOf(rewriter, inputs[1]!)];
  const [type] = outputs;
  if (!left || !right || !type || left.axis !== right.axis) return undefined;
  const { axis } = left;
  const pieces = [...left.pieces, ...right.pieces].sort((a, b) => a.start - b.start);
  const parts: number[] = [];
  let end = 0;
  const fillTo = (start: number) => {
    if (start > end) parts.push(rewriter.constant(0, { dtype: type.dtype, shape: type.shape.with(axis, start - end) }));
  };
  for (const { start, value } of pieces) {
    if (start < end) return undefined;
    fillTo(start);
    parts.push(value);
    end = start + rewriter.shapeOf(value)[axis]!;
  }
  fillTo(type.shape[axis]!);
  return rewriter.emit("concat", parts, { axis });
};

/** The value as pieces among zeros: a pad along one axis, or a concat that this rule may have made. */
function piecesOf(rewriter: Rewriter, value: number): Pieces | undefined {
  const pad = rewriter.maker(value, "pad");
  if (pad) {
    const { low, high, interior } = pad.params;
    const [operand, fill] = pad.inputs as [number, number];
    const padded = low.flatMap((width, axis) => (width > 0 || high[axis]! > 0 ? [axis] : []));
    const [axis] = padded;
    const isPlain = padded.length === 1 && interior.every((width) => width === 0) && rewriter.fillOf(fill) === 0;
    return isPlain && axis !== undefined ? { axis, pieces: [{ start: low[axis]!, value: operand }] } : undefined;
  }
  const concat = rewriter.maker(value, "concat");
  if (!concat) return undefined;
  const { axis } = concat.params;
  let start = 0;
  const pieces = concat.inputs.map((piece) => {
    const at = start;
    start += rewriter.shapeOf(piece)[axis]!;
    return { start: at, value: piece };
  });
  return { axis, pieces: pieces.filter((piece) => rewriter.fillOf(piece.value) !== 0) };
}
