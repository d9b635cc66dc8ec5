/**
 * What is added to the gradients of local steps, and what is kept for the next round: SCAFFOLD's control variates
 * (Karimireddy et al. 2020, option II), FedDyn's memory (Acar et al. 2021), FedProx's pull (Li et al. 2020).
 */
import type { LocalJobWork } from "@weft/protocol";
import type { StateVectors } from "./localState.ts";
import { controlVector, type Layouts } from "./sharedVector.ts";

/** Gradients become g + shift + pull · (w − base), for the weights that workers share. */
export interface GradientCorrection {
  readonly shift?: Float32Array;
  readonly pull?: number;
}

/** What a round's training has brought. */
export interface Trained {
  /** base − result, of all parameters. */
  readonly change: Float32Array;
  readonly steps: number;
}

export interface Correction {
  readonly gradient: GradientCorrection;
  /** What the training leaves behind; `controlChange`, old − new, is to travel beside the change. */
  after(trained: Trained): { readonly kept: StateVectors; readonly controlChange?: Float32Array };
}

/** Names in a worker's state. */
const control = "control";
const memory = "memory";

export function correctionOf(
  { correction, proximal, optimizer }: LocalJobWork,
  layouts: Layouts,
  { travelled, read }: { readonly travelled: Float32Array; readonly read: (name: string) => Float32Array | undefined },
): Correction {
  const { size } = layouts.manifest;
  if (correction === undefined) {
    return { gradient: proximal === undefined ? {} : { pull: proximal }, after: () => ({ kept: {} }) };
  }
  if (correction.kind === "scaffold") {
    const shared = controlVector(layouts, travelled);
    return scaffold(shared, read(control) ?? new Float32Array(size), Number(optimizer["learningRate"]));
  }
  const { alpha } = correction;
  const before = read(memory) ?? new Float32Array(size);
  return {
    gradient: { shift: before.map((value) => -value), pull: alpha },
    after: ({ change }) => ({ kept: { [memory]: before.map((value, i) => value + alpha * (change[i] ?? 0)) } }),
  };
}

/** c⁺ = cᵢ − c + (x − y) / (K η), so cᵢ − c⁺ = c − (x − y) / (K η). */
function scaffold(shared: Float32Array, own: Float32Array, learningRate: number): Correction {
  return {
    gradient: { shift: shared.map((value, i) => value - (own[i] ?? 0)) },
    after({ change, steps }) {
      const controlChange = shared.map((value, i) => value - (change[i] ?? 0) / (steps * learningRate));
      return { kept: { [control]: own.map((value, i) => value - (controlChange[i] ?? 0)) }, controlChange };
    },
  };
}
