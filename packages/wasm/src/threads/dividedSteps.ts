/** The kernels of one plan that run on one thread or on all, whichever is the better for their size; results are the same bits. */
import type { Kernel } from "../kernel.ts";
import type { MemoryRegions } from "../memoryRegions.ts";
import { FasterWay } from "./fasterWay.ts";
import type { Team } from "./team.ts";
import type { KernelCode, KernelFunction, ThreadStep } from "./threadBody.ts";

export interface DividedKernel {
  readonly source: Kernel;
  readonly code: KernelCode;
  readonly run: KernelFunction;
  /** The leader's scratch memory, then pointers. */
  readonly operands: readonly [scratch: number, ...pointers: number[]];
  /** Where pointers move with the turns of a loop: by how many bytes each, and the loop. */
  readonly moving?: Moving | undefined;
}

export interface Moving {
  readonly strides: readonly number[];
  readonly turn: Turn;
}

/** The turn that a loop is in. */
export interface Turn {
  index: number;
}

/** Sets the last of a call's arguments, the pointers, for the turn. */
export function follow(args: number[], pointers: readonly number[], { strides, turn }: Moving): void {
  const before = args.length - pointers.length;
  for (let i = 0; i < strides.length; i++) args[before + i] = pointers[i]! + turn.index * strides[i]!;
}

export class DividedSteps {
  readonly #team: Team;
  readonly #regions: MemoryRegions;
  readonly #steps: ThreadStep[] = [];
  readonly #codes = new Map<KernelCode, number>();
  #scratchBytes = 0;
  #scratch = 0;

  constructor(team: Team, regions: MemoryRegions) {
    this.#team = team;
    this.#regions = regions;
  }

  /** The kernel as a call, which runs it on one thread or on all. */
  add(kernel: DividedKernel): () => void {
    const { run, operands, source, moving } = kernel;
    const [, ...pointers] = operands;
    const team = this.#team;
    const cuts = cutTiles(source.tiles, team.size);
    const id = this.#register(kernel, cuts);
    const chunks = cuts.length - 1;
    const calls = Array.from({ length: chunks }, (_, i) => [cuts[i]!, cuts[i + 1]!, ...operands]);
    const runChunk = (chunk: number) => {
      const args = calls[chunk]!;
      if (moving) follow(args, pointers, moving);
      run(...args);
    };
    const whole = [0, source.tiles, ...operands];
    const way = new FasterWay(team.worthMs);
    return () => {
      const startMs = performance.now();
      if (way.divided) {
        team.compute(id, { chunks, turn: moving?.turn.index }, runChunk);
      } else {
        if (moving) follow(whole, pointers, moving);
        run(...whole);
      }
      way.took(performance.now() - startMs);
    };
  }

  /** Hands the kernels over to the threads, once for all runs. */
  hand(): void {
    if (this.#steps.length === 0) return;
    this.#scratch = this.#regions.allocate(this.#scratchBytes * (this.#team.size - 1));
    this.#team.hand({
      kind: "steps",
      codes: [...this.#codes.keys()],
      scratch: this.#scratch,
      scratchBytes: this.#scratchBytes,
      steps: this.#steps,
    });
  }

  /** When the plan runs no more. */
  release(): void {
    if (this.#steps.length === 0) return;
    this.#team.forget(this.#steps.map(({ id }) => id));
    this.#regions.release(this.#scratch, this.#scratchBytes * (this.#team.size - 1));
  }

  #register({ source, code, operands: [, ...pointers], moving }: DividedKernel, cuts: readonly number[]): number {
    if (!this.#codes.has(code)) this.#codes.set(code, this.#codes.size);
    const id = this.#team.nextStep();
    this.#steps.push({ id, code: this.#codes.get(code)!, pointers, strides: moving?.strides, cuts });
    this.#scratchBytes = Math.max(this.#scratchBytes, Math.ceil(source.scratchBytes / lineBytes) * lineBytes);
    return id;
  }
}

/** Threads that write side by side do so on different cache lines. */
const lineBytes = 64;

/** The part of a kernel's tiles that is cut into one large chunk for each thread. */
const largeShare = 0.8;

/**
 * Where the tiles of a kernel are cut: a large chunk for each thread, so that what tiles share is prepared once for many,
 * then ever smaller ones for whoever is ready first, down to single tiles, so that all are done at about the same time.
 */
export function cutTiles(tiles: number, threads: number): number[] {
  const cuts = [0];
  const cut = (size: number) => cuts.push(Math.min(tiles, cuts.at(-1)! + size));
  const large = Math.max(1, Math.floor((largeShare * tiles) / threads));
  while (cuts.length <= threads && cuts.at(-1)! < tiles) cut(large);
  while (cuts.at(-1)! < tiles) cut(Math.ceil((tiles - cuts.at(-1)!) / (2 * threads)));
  return cuts;
}
