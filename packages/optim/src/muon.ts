/**
 * Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the momentum of each matrix, made nearly orthogonal by a
 * Newton–Schulz iteration, so that all directions are learnt at one pace. Convolution kernels count as matrices
 * [height·width·in, out]; parameters with fewer than two axes go to another optimiser.
 */
import type { Tensor } from "@weft/tensor";
import { norm } from "@weft/tensor";
import { adamw } from "./adam.ts";
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { average } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { divided } from "./partition.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, count, flag, fraction } from "./settings.ts";
import type { MuonSpec } from "./spec.ts";

export interface MuonOptions extends DecayOptions {
  /** Share of the momentum that is kept; default 0.95. */
  readonly momentum?: number;
  /** Default true. */
  readonly nesterov?: boolean;
  /** Of Newton–Schulz; default 5. */
  readonly iterations?: number;
  /**
   * Steps the parameters that are no matrices. Default AdamW as the authors set it: rate 3e-4, betas 0.9 and 0.95, no decay.
   * They give embeddings and the last layer to it as well; put Muon in a `partition` for that.
   */
  readonly fallback?: Optimizer;
}

/**
 * m ← momentum·m + (1 − momentum)·g, u = m, or momentum·m + (1 − momentum)·g with Nesterov,
 * w ← w − learningRate·√max(1, out/in)·orthogonal(u). The weight decay is decoupled unless said otherwise.
 * State: m of every matrix, then the state of the fallback.
 */
export function muon(options: MuonOptions): Optimizer<MuonSpec> {
  const { learningRate, momentum = 0.95, nesterov = true, iterations = 5 } = options;
  const { weightDecay = 0, decoupledDecay = true } = options;
  const fallback = options.fallback ?? adamw({ learningRate: 3e-4, beta2: 0.95, epsilon: 1e-10, weightDecay: 0 });
  const own = { momentum, nesterov, iterations, weightDecay, decoupledDecay };
  const spec: MuonSpec = { name: "muon", learningRate, ...own, fallback: fallback.spec };
  checkSettings(spec, { ...decayRanges, momentum: fraction, nesterov: flag, iterations: count });
  const matrices = perParameter(spec, {
    slots: [0],
    elementwise: false,
    update({ parameter, gradient, slots: [mean = gradient], learningRate: rate }) {
      const moved = average(mean, gradient, momentum);
      const direction = nesterov ? average(moved, gradient, momentum) : moved;
      const columns = parameter.shape.at(-1) ?? 1;
      const matrix = direction.reshape([-1, columns]);
      const scale = Math.sqrt(Math.max(1, columns / (matrix.shape[0] ?? 1)));
      const change = orthogonalised(matrix, iterations).mul(scale).reshape(parameter.shape);
      return { parameter: parameter.sub(change.mul(rate)), slots: [moved] };
    },
  });
  return divided(spec, [{ minRank: 2, optimizer: matrices }, { optimizer: fallback }]);
}

/**
 * Near U·Vᵀ of the singular value decomposition: x ← a·x + (b·xxᵀ + c·(xxᵀ)²)·x pulls all singular values to between about 0.7
 * and 1.2. The coefficients are the authors', chosen for the slope at zero.
 */
function orthogonalised(matrix: Tensor, iterations: number): Tensor {
  const [a, b, c] = [3.4445, -4.775, 2.0315] as const;
  const [rows = 0, columns = 0] = matrix.shape;
  // The products are of the shorter side's size.
  let x = rows > columns ? matrix.transpose() : matrix;
  x = x.div(norm(x).add(1e-7));
  for (let i = 0; i < iterations; i++) {
    const gram = x.matmul(x, { transposeB: true });
    const polynomial = gram.mul(b).add(gram.matmul(gram).mul(c));
    x = x.mul(a).add(polynomial.matmul(x));
  }
  return rows > columns ? x.transpose() : x;
}
