/**
 * What a helping thread does: it takes chunks of the kernels that the leader opens, spins a while for more, and then
 * sleeps in its event loop until a message wakes it. See `team.ts` for the leader's side.
 */
import type { BlasFiles } from "../native/blas.ts";
import type { NativeKernel } from "../native/products.ts";

/** Where things lie in the control words, which all threads share; words that are written by different threads lie on cache lines of their own. */
export const controlWords = {
  /** The next ticket to be taken. Tickets only grow, so one taken from `next` never belongs to a kernel of the past. */
  next: 0,
  /** Tickets whose chunks are computed. */
  done: 16,
  /** The open kernel, its first ticket, and the ticket after its last. */
  step: 32,
  base: 33,
  limit: 34,
  /** The turn of the loop around the open kernel. */
  turn: 35,
  /** 1 once a chunk has failed. */
  failed: 48,
  /** For each helping thread, 16 words apart: 1 while it sleeps. */
  asleep: 64,
} as const;

/** A kernel whose tiles are divided between threads. */
export interface ThreadStep {
  readonly id: number;
  /** Position among the message's codes. */
  readonly code: number;
  readonly pointers: readonly number[];
  /** Bytes by which each pointer moves on per turn. */
  readonly strides: readonly number[] | undefined;
  /** Chunk i computes tiles `cuts[i]` to `cuts[i + 1]` - 1. */
  readonly cuts: readonly number[];
}

/** What a kernel consists of. */
export type KernelCode = WebAssembly.Module | NativeKernel;

export interface StartMessage {
  readonly kind: "start";
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly words: typeof controlWords;
  /** The BLAS library for native kernels. */
  readonly blas: BlasFiles | undefined;
  /** Among the helping threads. */
  readonly index: number;
  /** How long the thread spins for more work before it sleeps. */
  readonly spinMs: number;
}

export interface StepsMessage {
  readonly kind: "steps";
  readonly codes: readonly KernelCode[];
  /** Scratch memory of the first helping thread; that of the others follows, `scratchBytes` apart. */
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly steps: readonly ThreadStep[];
}

export type ThreadMessage =
  | StartMessage
  | StepsMessage
  | { readonly kind: "forget"; readonly steps: readonly number[] }
  | { readonly kind: "wake" };

/** `run(from, to, scratch, ...pointers)` of a kernel. */
export type KernelFunction = (...args: number[]) => void;

/** Opens the library in this thread, for kernels over the memory. */
export type OpenNative = (blas: BlasFiles, memory: WebAssembly.Memory) => (kernel: NativeKernel) => KernelFunction;

/** Runs in the thread. It travels there as text, so it may name nothing that lies outside of it. */
export function threadBody(listen: (handle: (message: ThreadMessage) => void) => void, openNative?: OpenNative): void {
  const chunksOf = new Map<number, (chunk: number, turn: number) => void>();
  const { pause } = Atomics as { readonly pause?: () => void };
  let start: StartMessage | undefined;
  let bindNative: ReturnType<OpenNative> | undefined;

  const bind = ({ memory, index, blas }: StartMessage, { codes, scratch, scratchBytes, steps }: StepsMessage): void => {
    const kernels = codes.map((code) => {
      if (!(code instanceof WebAssembly.Module)) {
        bindNative ??= openNative!(blas!, memory);
        return bindNative(code);
      }
      const { exports } = new WebAssembly.Instance(code, { env: { memory } });
      return exports["run"] as KernelFunction;
    });
    for (const { id, code, pointers, strides, cuts } of steps) {
      const kernel = kernels[code]!;
      const operands = [scratch + index * scratchBytes, ...pointers];
      chunksOf.set(id, (chunk, turn) => {
        strides?.forEach((stride, i) => (operands[i + 1] = pointers[i]! + turn * stride));
        kernel(cuts[chunk]!, cuts[chunk + 1]!, ...operands);
      });
    }
  };

  /** Takes a chunk if one is open; false if none is, or only of a kernel that is still on its way here. */
  const takeChunk = ({ control, words }: StartMessage): boolean => {
    const ticket = Atomics.load(control, words.next);
    if (ticket === Atomics.load(control, words.limit)) return false;
    const run = chunksOf.get(Atomics.load(control, words.step));
    const base = Atomics.load(control, words.base);
    const turn = Atomics.load(control, words.turn);
    if (run === undefined) return false;
    // If this succeeds, the ticket was open all the while, and so were the step, base and turn just read.
    if (Atomics.compareExchange(control, words.next, ticket, (ticket + 1) | 0) !== ticket) return true;
    try {
      run((ticket - base) | 0, turn);
    } catch {
      Atomics.store(control, words.failed, 1);
    }
    Atomics.add(control, words.done, 1);
    return true;
  };

  const help = (team: StartMessage): void => {
    const { control, words, index, spinMs } = team;
    const asleep = words.asleep + 16 * index;
    do {
      let deadline = performance.now() + spinMs;
      for (let spins = 1; spins % 128 !== 0 || performance.now() < deadline; spins++) {
        if (takeChunk(team)) deadline = performance.now() + spinMs;
        else pause?.();
      }
      Atomics.store(control, asleep, 1);
      // Work opened before the leader could see that this thread sleeps must not wait for a message.
    } while (takeChunk(team) && Atomics.compareExchange(control, asleep, 1, 0) === 1);
  };

  listen((message) => {
    switch (message.kind) {
      case "start":
        start = message;
        Atomics.store(message.control, message.words.asleep + 16 * message.index, 1);
        break;
      case "steps":
        bind(start!, message);
        break;
      case "forget":
        for (const step of message.steps) chunksOf.delete(step);
        break;
      case "wake":
        help(start!);
    }
  });
}
