/** The attention layer (Vaswani et al. 2017), with its projections and a cache for making sequences step by step. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, arange, typeText } from "@weft/tensor";
import { attention } from "./attention.ts";
import { dropout as dropoutLayer } from "./dropout.ts";
import type { Initializer } from "./initializers.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer, Scope } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface MultiHeadAttentionOptions {
  /** The features divide into this many parts that attend apart. */
  readonly heads: number;
  /** No position sees those after it. Default false. */
  readonly causal?: boolean;
  /** Share of the attention weights that is dropped while training; default 0. */
  readonly dropout?: number;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default `glorotUniform()`. */
  readonly kernelInitializer?: Initializer;
}

export interface AttentionInputs {
  /** What keys and values come from, [batch, keys, features]; default x itself. */
  readonly memory?: Tensor;
  /** True where a query may see a key; broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: Tensor;
}

export type AttentionFunction = (x: Tensor, inputs?: AttentionInputs) => Tensor;

export const attentionOptions = ["heads", "causal", "dropout", "useBias", "kernelInitializer"];

/**
 * x [batch, time, features] → the same shape. Parameters: `qkv.kernel` [features, 3 features], blocks in the order query, key,
 * value, each of `heads` chunks; `out.kernel` [features, features]; `qkv.bias` and `out.bias`.
 *
 * With a state (`applyWithState`), keys and values of earlier parts stay in it, up to the length that `initialState` was
 * given, so that a sequence can be made position by position; a mask then covers all positions of the cache.
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): Layer<AttentionFunction> {
  const { heads, causal = false, dropout = 0 } = options;
  checkOptions("multiHeadAttention", options, attentionOptions);
  checkCount("multiHeadAttention", "heads", heads);
  const dropWeights = dropoutLayer({ rate: dropout });
  return define<AttentionFunction>(
    (scope) => {
      const drop = scope.layer("drop", dropWeights);
      const [qkv, out] = [scope.layer("qkv", projection(3, options)), scope.layer("out", projection(1, options))];
      return (x, { memory, mask } = {}) => {
        const size = sizeOfHeads(x, memory, heads);
        const parts = (y: Tensor) => {
          const split = y.reshape([...y.shape.slice(0, 2), -1, heads, size]);
          return (i: number) => split.at(null, null, i).swapAxes(1, 2); // [batch, heads, time, size]
        };
        const [onX, onMemory] = memory
          ? [parts(qkv(x, [0, 1])), parts(qkv(memory, [1, 3]))]
          : ((both) => [both, (i: number) => both(i + 1)])(parts(qkv(x)));
        const own = { k: onMemory(0), v: onMemory(1), mask };
        const seen = (memory ? undefined : remembered(scope, own, causal)) ?? { ...own, causal };
        const y = attention(onX(0), seen.k, seen.v, {
          causal: seen.causal,
          ...(seen.mask ? { mask: seen.mask } : {}),
          ...(scope.training && dropout > 0 ? { onWeights: drop } : {}),
        });
        return out(y.swapAxes(1, 2).reshape(x.shape));
      };
    },
    { kind: "multiHeadAttention" },
  );
}

type Projection = (x: Tensor, range?: readonly [from: number, to: number]) => Tensor;

/** x [..., c] → [..., blocks · c], or the blocks from..to-1 of that alone. */
function projection(
  blocks: number,
  { useBias = true, kernelInitializer = glorotUniform() }: MultiHeadAttentionOptions,
): Layer<Projection> {
  return define<Projection>(
    ({ parameter }) =>
      (x, range) => {
        const features = x.shape.at(-1) ?? 0;
        const columns = (range ?? [0, blocks]).map((n) => n * features) as [number, number];
        const kernel = parameter("kernel", [features, blocks * features], kernelInitializer);
        const y = x.matmul(kernel.at(null, columns));
        return useBias ? y.add(parameter("bias", [blocks * features], zeros()).at(columns)) : y;
      },
    { kind: "dense" },
  );
}

interface Seen {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor | undefined;
}

/** Keys and values of all parts so far, with a mask over the empty rest of the cache; nothing when no state is kept. */
function remembered({ state }: Scope, own: Seen, causal: boolean): (Seen & { readonly causal: false }) | undefined {
  const [batch = 0, heads = 0, time = 0, size = 0] = own.k.shape;
  const type = { shape: [batch, heads, "length", size] as const, dtype: own.k.dtype };
  const [keys, values] = [state("keys", type), state("values", type)];
  const position = state("position", { shape: [], dtype: "i32" });
  if (!keys || !values || !position) return undefined;
  const rows = arange(time).add(position.value);
  // Rows that were never written hold zeros, so adding writes.
  const k = keys.value.indexAdd(rows, own.k, { axis: 2 });
  const v = values.value.indexAdd(rows, own.v, { axis: 2 });
  keys.update(k);
  values.update(v);
  position.update(position.value.add(time));
  const last = causal ? rows.expandDims(1) : position.value.add(time - 1);
  const written = arange(k.shape[2] ?? 0).lessEqual(last);
  return { k, v, mask: own.mask ? own.mask.cast("bool").and(written) : written, causal: false };
}

function sizeOfHeads(x: Tensor, memory: Tensor | undefined, heads: number): number {
  const features = x.shape.at(-1) ?? 0;
  if (x.rank !== 3 || (memory && (memory.rank !== 3 || memory.shape[2] !== features))) {
    throw new ShapeError(
      `multiHeadAttention: expected [batch, time, features]${memory ? " twice, of equal features" : ""}, got ` +
        `${typeText(x)}${memory ? ` and memory ${typeText(memory)}` : ""}; project it with dense first`,
    );
  }
  if (features % heads !== 0) {
    throw new ShapeError(
      `multiHeadAttention: ${features} features do not divide into ${heads} heads; use a multiple of ${heads}`,
    );
  }
  return features / heads;
}
