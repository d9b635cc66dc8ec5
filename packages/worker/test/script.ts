/** The coordinator's side of a worker's connections, message by message. */
import type { CoordinatorMessage, Message, WorkerMessage } from "@weft/protocol";
import type { IncomingPayload, MemoryPairOptions, OutgoingPayload } from "@weft/transport";
import { memoryPair } from "@weft/transport";
import type { WorkerEvent, WorkerHandle, WorkerOptions } from "@weft/worker";
import { defaultPolicy, startWorker } from "@weft/worker";
import { expect } from "vitest";
import { hashOf, linearJob } from "./testJob.ts";

/** One connection. With `reads` false, payloads are left to the test. */
export function scripted(options: MemoryPairOptions & { readonly reads?: boolean } = {}) {
  const { reads = true, ...link } = options;
  const pair = memoryPair(link);
  const inbox: {
    message: WorkerMessage;
    incoming: IncomingPayload | undefined;
    payload: Promise<Uint8Array> | undefined;
  }[] = [];
  const waiters: (() => void)[] = [];
  pair.coordinator.listen((message: Message, incoming: IncomingPayload | undefined) => {
    const payload = reads ? incoming?.collect() : undefined;
    payload?.catch(() => undefined);
    inbox.push({ message: message as WorkerMessage, incoming, payload });
    for (const waiter of waiters.splice(0)) waiter();
  });
  return {
    pair,
    send: (message: CoordinatorMessage, payload?: OutgoingPayload) => pair.coordinator.send(message, payload),
    async next<K extends WorkerMessage["kind"]>(kind: K) {
      while (inbox.length === 0) await new Promise<void>((resolve) => waiters.push(resolve));
      const { message, payload, incoming } = inbox.shift()!;
      expect(message.kind).toBe(kind);
      return { message: message as Extract<WorkerMessage, { kind: K }>, payload: await payload, incoming };
    },
    /** Kinds of the messages that came and were not asked for. */
    left: () => inbox.map(({ message }) => message.kind),
  };
}

export type Script = ReturnType<typeof scripted>;

export interface Started {
  readonly worker: WorkerHandle;
  readonly events: WorkerEvent[];
}

/** A worker that is given these connections one after another. */
export function start(connections: readonly Script[], options: Partial<WorkerOptions> = {}): Started {
  const events: WorkerEvent[] = [];
  let opened = 0;
  const worker = startWorker({
    connect: () => Promise.resolve(connections[opened++]!.pair.worker),
    name: "tested",
    device: "test",
    threads: 1,
    policy: defaultPolicy,
    unreachableMs: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { worker, events };
}

type Welcome = Extract<CoordinatorMessage, { kind: "welcome" }>;

export async function welcomeMessage(jobBytes: Uint8Array, changes: Partial<Welcome> = {}): Promise<Welcome> {
  const jobHash = await hashOf(jobBytes);
  return { kind: "welcome", worker: "w1", resume: "secret", run: "r", jobHash, heartbeatMs: 1000, ...changes };
}

/** Lets the worker in and sends it the job. */
export async function welcome(script: Script, jobBytes = linearJob(), changes: Partial<Welcome> = {}): Promise<void> {
  const message = await welcomeMessage(jobBytes, changes);
  await script.send(message);
  await script.send({ kind: "job", hash: message.jobHash }, jobBytes);
}

type Work = Extract<CoordinatorMessage, { kind: "work" }>;

export const work = (changes: Partial<Work> = {}): Work => ({
  kind: "work",
  run: "r",
  round: 1,
  attempt: 0,
  version: 0,
  versionHash: "0".repeat(64),
  order: { kind: "gradient", examples: { kind: "slice", seed: 5, epoch: 0, start: 0, count: 4 }, seed: 9 },
  deadlineMs: 1000,
  ...changes,
});
