/** Tables of vectors: of tokens, and of positions. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, arange, isFloat, typeText } from "@weft/tensor";
import type { Initializer } from "./initializers.ts";
import { normal, uniform } from "./initializers.ts";
import type { Layer, TensorFunction } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface EmbeddingOptions {
  /** Number of different ids. */
  readonly vocabulary: number;
  /** Size of the vector of each. */
  readonly features: number;
  /** Default `uniform({ min: -0.05, max: 0.05 })`. */
  readonly initializer?: Initializer;
}

export interface EmbeddingFunction extends TensorFunction {
  /** x [..., features] → how well it meets each id, [..., vocabulary]: an output layer with tied weights. */
  readonly logits: (x: Tensor) => Tensor;
}

/** ids i32 [...] → [..., features]. Parameter: `table` [vocabulary, features]. Ids out of range meet the nearest in range. */
export function embedding(options: EmbeddingOptions): Layer<EmbeddingFunction> {
  const { vocabulary, features, initializer = uniform({ min: -0.05, max: 0.05 }) } = options;
  checkOptions("embedding", options, ["vocabulary", "features", "initializer"]);
  checkCount("embedding", "vocabulary", vocabulary);
  checkCount("embedding", "features", features);
  return define(
    ({ parameter }) => {
      const table = () => parameter("table", [vocabulary, features], initializer);
      const embed = (ids: Tensor) => {
        if (isFloat(ids.dtype) || ids.dtype === "bool") {
          throw new ShapeError(`embedding: expected ids of dtype i32, got ${typeText(ids)}; use ids.cast("i32")`);
        }
        return table().embedding(ids.cast("i32"));
      };
      return Object.assign(embed, { logits: (x: Tensor) => x.matmul(table(), { transposeB: true }) });
    },
    { kind: "embedding" },
  );
}

export interface PositionalEmbeddingOptions {
  /** The most positions of a sequence. */
  readonly length: number;
  /** Default `normal({ std: 0.02 })`. */
  readonly initializer?: Initializer;
}

/**
 * x [batch, time, features] → x plus a learned vector for each position. Parameter: `table` [length, features]. With a
 * state, positions go on where the part before ended.
 */
export function positionalEmbedding(options: PositionalEmbeddingOptions): Layer {
  const { length, initializer = normal({ std: 0.02 }) } = options;
  checkOptions("positionalEmbedding", options, ["length", "initializer"]);
  checkCount("positionalEmbedding", "length", length);
  return define(
    ({ parameter, state }) =>
      (x) => {
        const [, time = 0, features = 0] = x.shape;
        if (x.rank !== 3 || time > length) {
          throw new ShapeError(
            `positionalEmbedding: expected [batch, time, features] of at most ${length} positions, got ${typeText(x)}; ` +
              "cut the sequence or raise length",
          );
        }
        const table = parameter("table", [length, features], initializer);
        const position = state("position", { shape: [], dtype: "i32" });
        position?.update(position.value.add(time));
        const rows = position ? table.embedding(arange(time).add(position.value)) : table.at([0, time]);
        return x.add(rows);
      },
    { kind: "positionalEmbedding" },
  );
}
