/**
 * What an honest worker answers an order with, and what it keeps of that for the next: the rules of local work, of corrections, of
 * streaming and of codecs that owe, spelt out a second time, from the orders given and the updates counted alone.
 */
import { effortOf, fragmentOf, type LocalJobWork, stepsOf, type WorkOrder } from "@weft/protocol";
import { decodeVector, encodeVector } from "@weft/vector";
import type { CheckedJob } from "@weft/worker";
import { exactChange, exactLoss, exactOptimizer } from "./exactTrainer.ts";

/** What was asked of a worker; names its update. */
export interface Asked {
  readonly worker: string;
  readonly round: number;
  readonly version: number;
  readonly order: Exclude<WorkOrder, { readonly kind: "evaluate" }>;
  /** Examples that it trains on. */
  readonly weight: number;
}

export interface Expected {
  /** As the coordinator decodes it. */
  readonly values: Float32Array;
  readonly weight: number;
  /** FedNova's and q-FedAvg's. */
  readonly effort: number;
  readonly curvature: number;
}

/** What one worker keeps, by name. */
type Kept = Readonly<Record<string, Float32Array>>;

/** Of all workers, by what lives on under whatever identity. */
export type KeptByWorker = ReadonlyMap<string, Kept>;

export class WorkerBooks {
  readonly #job: CheckedJob;
  readonly #initial: Float32Array;
  /** Where each parameter lies among all, and among those that travel. */
  readonly #places: readonly Place[];
  readonly #kept = new Map<string, Kept>();

  constructor(job: CheckedJob, initial: Float32Array) {
    this.#job = job;
    this.#initial = initial;
    const offsets = new Map(job.shared.entries.map(({ name, offset }) => [name, offset]));
    this.#places = job.manifest.entries.map(({ name, offset, shape, kind }) => ({
      ...{ offset, size: shape.reduce((a, b) => a * b, 1), shared: offsets.get(name) },
      control: kind === "weight" ? offsets.get(`control/${name}`) : undefined,
    }));
  }

  /** What travels of version 0. */
  get begun(): Float32Array {
    return this.#toShared(this.#initial, undefined);
  }

  /** As it is now; to go back to. */
  snapshot(): KeptByWorker {
    return new Map(this.#kept);
  }

  restore(kept: KeptByWorker): void {
    this.#kept.clear();
    for (const [worker, state] of kept) this.#kept.set(worker, state);
  }

  /** A worker's update counts: what it holds, and from now on the worker keeps what it leaves behind. */
  count(asked: Asked, travelled: Float32Array): Expected {
    const { worker, weight, order } = asked;
    const kept = this.#kept.get(worker) ?? {};
    const { work } = this.#job.document.round;
    const answer =
      order.kind === "gradient" || work.kind !== "local"
        ? { vector: exactChange(travelled, { seed: order.seed, weight }), kept: {}, effort: 1, curvature: 1 }
        : this.#trained({ ...asked, order }, work, { travelled, kept });
    const { values, owed } = this.#sent(asked, answer.vector, kept);
    this.#kept.set(worker, { ...kept, ...answer.kept, ...owed });
    return { values, weight, effort: answer.effort, curvature: answer.curvature };
  }

  /** Mean loss of a version, whoever measures it. */
  lossOf(travelled: Float32Array): number {
    return exactLoss(this.#job, this.#toWhole(travelled, undefined));
  }

  /** Through the codec, with what it owes of the updates before that were of the same part. */
  #sent({ round, order: { seed } }: Asked, vector: Float32Array, kept: Kept): { values: Float32Array; owed: Kept } {
    const { codec, index } = this.#fragment(round);
    const names = { residual: `owed.${index}`, basis: `basis.${index}` };
    const memory = { residual: kept[names.residual], basis: kept[names.basis] };
    const encoded = encodeVector(codec, vector, { seed: seed + index, memory });
    const values = new Float32Array(codec.size);
    decodeVector(codec, encoded.bytes, values);
    const { residual, basis } = encoded.memory;
    const owed = { ...(residual && { [names.residual]: residual }), ...(basis && { [names.basis]: basis }) };
    return { values, owed };
  }

  #fragment(round: number) {
    const { fragments } = this.#job;
    return fragments[fragmentOf(round, fragments.length)]!;
  }

  #trained(
    { round, weight, order }: Asked & { readonly order: Extract<WorkOrder, { kind: "local" }> },
    work: LocalJobWork,
    { travelled, kept }: { readonly travelled: Float32Array; readonly kept: Kept },
  ) {
    const begin = this.#start(round, work, { travelled, kept });
    const base = this.#toWhole(begin, kept["own"]);
    const correction = this.#correction(work, travelled, kept);
    const optimizer = work.keepOptimizer === true ? kept["optimizer"] : undefined;
    const change = exactChange(base, { seed: order.seed, weight, shift: correction.shift, optimizer });
    const steps = stepsOf(order, weight);
    const left = correction.after(change, steps);
    const sent = this.#toShared(change, left.controlChange);
    const streamed = this.#streamed(round, work, { travelled, begin, change: sent });
    const own = this.#places.some(({ shared }) => shared === undefined);
    const weighed = this.#weighed(streamed.vector, work, { steps, base });
    return {
      ...weighed,
      kept: {
        ...left.kept,
        ...streamed.kept,
        ...(work.keepOptimizer === true ? { optimizer: exactOptimizer(order.seed, optimizer) } : {}),
        ...(own ? { own: base.map((value, i) => value - change[i]!) } : {}),
      },
    };
  }

  /** Streaming DiLoCo: a worker goes on from its own values, into which what was merged since has come. */
  #start(
    round: number,
    work: LocalJobWork,
    { travelled, kept }: { travelled: Float32Array; kept: Kept },
  ): Float32Array {
    const [own, last] = [kept["values"], kept["after"]?.[0]];
    const { fragments } = this.#job;
    if (work.streaming === undefined || own === undefined || last === undefined) return travelled;
    if (round - last > fragments.length) return travelled;
    const { mixing = 0 } = work.streaming;
    const start = own.slice();
    for (let merged = last; merged < round; merged++) {
      const { start: from, end } = this.#fragment(merged);
      for (let i = from; i < end; i++) {
        start[i] = mixing === 0 ? travelled[i]! : mixing * own[i]! + (1 - mixing) * travelled[i]!;
      }
    }
    return start;
  }

  #streamed(
    round: number,
    { streaming }: LocalJobWork,
    { travelled, begin, change }: Readonly<Record<"travelled" | "begin" | "change", Float32Array>>,
  ): { readonly vector: Float32Array; readonly kept: Kept } {
    if (streaming === undefined) return { vector: change, kept: {} };
    const { start, end } = this.#fragment(round);
    const vector = Float32Array.from({ length: end - start }, (_, at) => {
      const i = start + at;
      return travelled[i]! - begin[i]! + change[i]!;
    });
    return { vector, kept: { values: begin.map((value, i) => value - change[i]!), after: Float32Array.of(round) } };
  }

  #correction({ correction, optimizer }: LocalJobWork, travelled: Float32Array, kept: Kept) {
    const none = () => ({ kept: {}, controlChange: undefined });
    if (correction === undefined) return { shift: undefined, after: none };
    const zeros = new Float32Array(this.#job.manifest.size);
    if (correction.kind === "feddyn") {
      const before = kept["memory"] ?? zeros;
      const after = (change: Float32Array) => ({
        kept: { memory: before.map((value, i) => value + correction.alpha * change[i]!) },
        controlChange: undefined,
      });
      return { shift: before.map((value) => -value), after };
    }
    const shared = zeros.slice();
    for (const { control, offset, size } of this.#places) {
      if (control !== undefined) shared.set(travelled.subarray(control, control + size), offset);
    }
    const own = kept["control"] ?? zeros;
    const after = (change: Float32Array, steps: number) => {
      const reach = steps * Number(optimizer["learningRate"]);
      const controlChange = shared.map((value, i) => value - change[i]! / reach);
      return { kept: { control: own.map((value, i) => value - controlChange[i]!) }, controlChange };
    };
    return { shift: shared.map((value, i) => value - own[i]!), after };
  }

  #weighed(change: Float32Array, work: LocalJobWork, { steps, base }: { steps: number; base: Float32Array }) {
    const { weighting } = this.#job.document.round;
    if (typeof weighting === "string") return { vector: change, effort: 1, curvature: 1 };
    if (weighting.kind === "normalized") {
      const effort = effortOf(work, steps);
      return { vector: change.map((value) => value / effort), effort, curvature: 1 };
    }
    const { q, lipschitz } = weighting;
    const loss = exactLoss(this.#job, base);
    const squares = change.reduce((sum, value) => sum + value * value, 0);
    const curvature = q * loss ** (q - 1) * lipschitz * squares + loss ** q;
    return { vector: change.map((value) => value * loss ** q), effort: 1, curvature };
  }

  /** All parameters: those that travelled, and the worker's own, which are in their places in `own`. */
  #toWhole(travelled: Float32Array, own: Float32Array = this.#initial): Float32Array {
    const whole = own.slice();
    for (const { shared, offset, size } of this.#places) {
      if (shared !== undefined) whole.set(travelled.subarray(shared, shared + size), offset);
    }
    return whole;
  }

  #toShared(whole: Float32Array, controls: Float32Array | undefined): Float32Array {
    const travelling = new Float32Array(this.#job.shared.size);
    for (const { shared, control, offset, size } of this.#places) {
      if (shared !== undefined) travelling.set(whole.subarray(offset, offset + size), shared);
      if (control !== undefined && controls) travelling.set(controls.subarray(offset, offset + size), control);
    }
    return travelling;
  }
}

interface Place {
  readonly offset: number;
  readonly size: number;
  readonly shared: number | undefined;
  readonly control: number | undefined;
}
