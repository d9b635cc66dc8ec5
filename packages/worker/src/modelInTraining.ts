/** A model being trained here: parameters and optimiser state stay on the backend while steps go over batches. */
import type { Batch } from "@weft/data";
import { withLearningRate } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import type { JobRound } from "@weft/protocol";
import type { Tensor } from "@weft/tensor";
import { adopt, compile, release, scalar, typeText, where } from "@weft/tensor";
import { differences, flatten, keyTensor, parameterTensors, readScalars, tensorsOf } from "./batches.ts";
import { JobRefusedError } from "./errors.ts";
import type { GradientCorrection } from "./correction.ts";
import type { StepInputs } from "./gradientStep.ts";
import { lossAndGradient } from "./gradientStep.ts";
import type { CheckedJob, LossProgram } from "./job.ts";
import { lossScales, overflowed } from "./lossScale.ts";

export interface ModelInTraining {
  /**
   * One step: gradient and optimiser fused, in place.
   *
   * @param batch of the capacity of one of the job's loss programs
   * @param seed what dropout and the like draw from, with `step` counting within it
   * @returns the batch's mean loss, then the sum of each metric
   */
  step(batch: Batch, random: { readonly seed: number; readonly step: number }): Promise<number[]>;
  /** A copy of the parameters, flat. */
  weights(): Promise<Float32Array>;
  /** What was trained away from a flat vector: `from` − the parameters, written to `out` if it is given. */
  change(from: Float32Array, out?: Float32Array): Promise<Float32Array>;
  /** Lets go of the parameters, which nobody asks for any more; otherwise the next model's first step copies them. */
  end(): void;
  /** A copy of the optimiser's state, as its `init` orders it. */
  optimizerState(): Promise<Tensor[]>;
  /** Goes on with a state that `optimizerState` gave, of this optimiser on these parameters. */
  setOptimizerState(state: readonly Tensor[]): void;
  /** Goes on from these parameters; the optimiser's state stays. The vector is not copied. */
  setWeights(flat: Float32Array): void;
  /**
   * Another learning rate from the next step on; the optimiser's state stays. One that was made `adjustable` is changed in
   * place, otherwise a step is compiled for each rate.
   */
  setLearningRate(rate: number): void;
}

/** Starts models from flat vectors; all of them share the compiled steps. */
export type StartTraining = (
  base: Float32Array,
  optimizer: JobRound["server"],
  correction?: GradientCorrection,
) => ModelInTraining;

export function createTraining(job: CheckedJob): StartTraining {
  const steps = new Map<string, ReturnType<typeof compileStep>>();
  const local = new Set(job.document.parameters.flatMap(({ local: isOwn = false }, i) => (isOwn ? [i] : [])));
  const stepFor = (batch: number, optimizer: JobRound["server"], { shift, pull }: GradientCorrection) => {
    const name = `${batch} ${JSON.stringify([optimizer, shift !== undefined, pull])}`;
    const known = steps.get(name);
    if (known) return known;
    const program = job.loss.find((loss) => loss.batch === batch);
    if (!program) throw new Error(`the job has no loss program at batch ${batch}`);
    const step = compileStep(program, optimizer, { pull, isCorrected: (place) => !local.has(place) });
    steps.set(name, step);
    return step;
  };

  const scales = lossScales(job.document);
  const isLearned = learnedIn(job.loss[0] ?? {});
  return (base, optimizer, correction = {}) => {
    const { shift, pull } = correction;
    const added = {
      shift: shift === undefined ? [] : parameterTensors(job.manifest, shift),
      anchor: pull === undefined ? [] : parameterTensors(job.manifest, base),
    };
    let spec = optimizer;
    let parameters = parameterTensors(job.manifest, base);
    let state = createOptimizer(spec).init(parameters.filter(isLearned));
    return {
      async step(batch, { seed, step }) {
        const { exampleWeights, fields } = tensorsOf(batch, job.document.data);
        const inputs = [keyTensor(seed, step), exampleWeights, ...fields];
        const run = stepFor(batch.weights.length, spec, correction);
        for (const scale of scales ?? [undefined]) {
          const given = { inputs, scale: scale === undefined ? [] : [scalar(scale)] };
          const [next, results, finite] = run(parameters, state, given, added);
          ({ parameters, state } = next);
          const figures = await readScalars(results);
          const isOverflow = (await readScalars(finite)).includes(0);
          if (!isOverflow || !Number.isFinite(figures[0])) return figures;
        }
        throw overflowed(scales ?? []);
      },
      weights: () => flatten(job.manifest, parameters),
      change: (from, out) => differences(job.manifest, from, { parameters, out }),
      end: () => release(parameters),
      optimizerState: () => Promise.all(state.map(copyOf)),
      setOptimizerState(given) {
        const [got, expected] = [given, state].map((tensors) => tensors.map(typeText).join(" "));
        if (got !== expected) {
          throw new JobRefusedError(
            `the optimiser's state is ${expected}, got ${got || "none"}; go on with the optimiser and model it is from`,
          );
        }
        state = [...given];
      },
      setWeights: (flat) => (parameters = parameterTensors(job.manifest, flat)),
      setLearningRate(rate) {
        const current = createOptimizer(spec);
        if (current.adjust) state = withLearningRate(current, state, rate);
        else spec = { ...spec, learningRate: rate };
      },
    };
  };
}

/** In memory of its own: the next step overwrites that of the backend. */
async function copyOf(value: Tensor): Promise<Tensor> {
  const { shape, dtype } = value;
  return adopt(await value.data(), { shape, dtype });
}

/**
 * What follows from the gradient comes first and the figures last, as in a step that gives the gradient itself: the order
 * of results decides which loops are fused, and with it how sums are rounded. So both steps give the same bits.
 */
function compileStep(loss: LossProgram, spec: JobRound["server"], how: CorrectedStep) {
  const optimizer = createOptimizer(spec);
  const isLearned = learnedIn(loss);
  return compile(
    (parameters: Tensor[], state: Tensor[], inputs: StepInputs, added: AddedTensors) => {
      const { loss: value, metrics, statistics, gradient, finite } = lossAndGradient(loss, parameters, inputs);
      const corrected = gradient.map((each, i) => correct(each, { added, how, parameter: parameters[i], place: i }));
      const next = optimizer.update(parameters.filter(isLearned), corrected.filter(isLearned), state);
      const [learned, measured] = [[...next.parameters], [...statistics]];
      const merged = parameters.map((old, i) => (isLearned(old, i) ? learned : measured).shift() ?? missing());
      const stepped = { parameters: kept(merged, parameters, finite), state: kept(next.state, state, finite) };
      return [stepped, [value, ...metrics], finite] as const;
    },
    { donate: [0, 1] },
  );
}

interface CorrectedStep {
  readonly pull: number | undefined;
  /** Whether the parameter at a place is one that workers share. */
  readonly isCorrected: (place: number) => boolean;
}

/** One tensor for each parameter, or none. */
interface AddedTensors {
  readonly shift: Tensor[];
  readonly anchor: Tensor[];
}

/** g + shift + pull · (w − anchor). */
function correct(
  gradient: Tensor,
  of: { added: AddedTensors; how: CorrectedStep; parameter: Tensor | undefined; place: number },
): Tensor {
  const { added, how, parameter, place } = of;
  if (!how.isCorrected(place)) return gradient;
  const [shift, anchor] = [added.shift[place], added.anchor[place]];
  const shifted = shift ? gradient.add(shift) : gradient;
  if (!anchor || !parameter || how.pull === undefined) return shifted;
  return shifted.add(parameter.sub(anchor).mul(how.pull));
}

/** The values after a step, or those before where its gradient is not finite. */
const kept = (after: Tensor[], before: readonly Tensor[], [finite]: readonly Tensor[]): Tensor[] =>
  finite ? after.map((value, i) => where(finite, value, before[i] ?? missing())) : after;

/** Whether the parameter at a place is stepped by the optimiser. */
function learnedIn({
  statistics = [],
}: Pick<LossProgram, "statistics">): (parameter: unknown, place: number) => boolean {
  const measured = new Set(statistics);
  return (_, place) => !measured.has(place);
}

function missing(): never {
  throw new Error("a step gives a value for each parameter, learned or measured");
}
