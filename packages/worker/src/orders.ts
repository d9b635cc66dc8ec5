/** Carries out the work orders of one session: finds the base version and the examples, trains, sends the update. */
import { shuffledSlice } from "@weft/data";
import type { ExampleChoice, MessageOf } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import { ConnectionError } from "@weft/transport";
import { codecOf } from "@weft/vector";
import { OrderDeclinedError } from "./errors.ts";
import { ExampleStore, allRows } from "./exampleStore.ts";
import { sha256 } from "./hash.ts";
import type { SessionContext } from "./options.ts";
import type { ExampleRows, ExampleSums, Trainer } from "./training.ts";
import { yieldToEvents } from "./yieldToEvents.ts";

type Work = MessageOf<"work">;

interface Base {
  readonly hash: string;
  readonly values: Float32Array;
}

export interface Orders {
  begin(trainer: Trainer): void;
  /** A version is on its way; orders on it wait for it. */
  weights(message: MessageOf<"weights">, payload: Promise<Uint8Array>): void;
  partition(indices: Uint32Array): void;
  examples(request: number, payload: Uint8Array): void;
  /** Resolves when the update was sent or the order declined; a newer order supersedes one under way. */
  carryOut(work: Work): Promise<void>;
  /** The session is over: whatever waits gives up. */
  abandon(): void;
}

export function createOrders(connection: Connection, context: SessionContext): Orders {
  const { identity, emit } = context;
  const bases = new Map<number, Promise<Base>>();
  const requests = new Map<number, PromiseWithResolvers<Uint8Array>>();
  let nextRequest = 0;
  let latest: Work | undefined;
  let trainer: Trainer | undefined;

  const fetchRows = async (indices: Uint32Array) => {
    const request = nextRequest++;
    const answer = Promise.withResolvers<Uint8Array>();
    requests.set(request, answer);
    // The indices travel as raw little-endian bytes; every platform that runs WebAssembly is little-endian.
    await connection.send({ kind: "fetch", request }, new Uint8Array(indices.slice().buffer));
    return answer.promise;
  };

  const served = (data: Trainer["job"]["document"]["data"]) => (identity.served ??= new ExampleStore(data));

  /** The worker's own share: data it brought, or its partition of the coordinator's set. */
  async function ownShare({ job }: Trainer): Promise<ExampleRows> {
    if (identity.ownData) return allRows(identity.ownData);
    if (!identity.partition) {
      throw new OrderDeclinedError(
        "no-data",
        "this order is for a worker's own share, and none was assigned or brought",
      );
    }
    return served(job.document.data).rows(identity.partition, fetchRows);
  }

  async function chosenExamples(active: Trainer, choice: ExampleChoice): Promise<ExampleRows> {
    if (choice.kind === "slice") {
      const { document } = active.job;
      const indices = shuffledSlice(document.examples, choice.seed, choice);
      return served(document.data).rows(indices, fetchRows);
    }
    const { dataset, rows } = await ownShare(active);
    const start = choice.position % rows.length;
    const count = Math.min(choice.count, rows.length - start);
    const epoch = Math.floor(choice.position / rows.length);
    const picked = shuffledSlice(rows.length, choice.seed, { epoch, start, count });
    return { dataset, rows: picked.map((i) => rows[i] ?? 0) };
  }

  async function baseOf(work: Work): Promise<Float32Array> {
    const base = await bases.get(work.version);
    if (!base) throw new OrderDeclinedError("no-base", `version ${work.version} was never sent to this worker`);
    if (base.hash !== work.versionHash) {
      throw new OrderDeclinedError(
        "base-hash",
        `version ${work.version} hashes to ${base.hash}, the order says ${work.versionHash}`,
      );
    }
    return base.values;
  }

  async function train(active: Trainer, work: Work): Promise<ExampleSums & { values: Float32Array }> {
    const base = await baseOf(work);
    if (work.order.kind === "gradient") {
      const examples = await chosenExamples(active, work.order.examples);
      const { gradient, ...sums } = await active.gradient(base, examples, work.order.seed);
      return { ...sums, values: gradient };
    }
    const { round } = active.job.document;
    if (round.work.kind !== "local") throw new OrderDeclinedError("not-in-job", "the job has no local training");
    let yieldedAt = performance.now();
    const { change, ...sums } = await active.train(base, await ownShare(active), {
      ...work.order,
      optimizer: round.work.optimizer,
      onStep: async () => {
        if (latest !== work) throw new OrderDeclinedError("superseded", "a newer order came");
        if (performance.now() - yieldedAt < 20) return;
        await yieldToEvents();
        yieldedAt = performance.now();
      },
    });
    return { ...sums, values: change };
  }

  async function carryOut(work: Work): Promise<void> {
    latest = work;
    const { run, round, attempt, version } = work;
    try {
      if (!trainer) throw new OrderDeclinedError("not-ready", "work came before the job");
      const startedAt = performance.now();
      const { values, weight, metrics } = await train(trainer, work);
      const computeMs = performance.now() - startedAt;
      const loss = (metrics["loss"] ?? NaN) / weight;
      const broken = Object.entries(metrics).find(([, value]) => !Number.isFinite(value));
      if (broken) {
        const [name, value] = broken;
        throw new OrderDeclinedError(
          "non-finite",
          `the ${name} became ${value}; lower the learning rate or check the data`,
        );
      }
      const { codec } = trainer.job.document;
      const update = { kind: "update", run, round, attempt, version, codec, weight, metrics, computeMs } as const;
      await connection.send(update, codecOf(codec).encode(values));
      emit({ event: "update", round, loss, examples: weight, computeMs });
    } catch (error) {
      if (!(error instanceof OrderDeclinedError)) throw error;
      emit({ event: "declined", round, code: error.reasonCode, reason: error.message });
      const reason = error.message.slice(0, 2000);
      await connection.send({ kind: "decline", run, round, attempt, code: error.reasonCode, reason });
    }
  }

  return {
    carryOut,
    begin: (prepared) => (trainer = prepared),
    partition: (indices) => (identity.partition = indices),
    weights({ version, codec, hash }, payload) {
      const decoded = payload.then(async (bytes) => {
        const actual = await sha256(bytes);
        if (actual !== hash) {
          throw new OrderDeclinedError("base-hash", `version ${version} hashes to ${actual}, ${hash} was announced`);
        }
        const values = new Float32Array(trainer?.job.manifest.size ?? 0);
        codecOf(codec).decode(bytes, values);
        return { hash, values };
      });
      decoded.catch(() => undefined); // reported to the order that waits for it
      for (const held of bases.keys()) if (held < version - 1) bases.delete(held);
      bases.set(version, decoded);
    },
    examples(request, payload) {
      requests.get(request)?.resolve(payload);
      requests.delete(request);
    },
    abandon() {
      latest = undefined;
      for (const { reject } of requests.values())
        reject(new ConnectionError("closed", "the session ended while examples were on their way"));
      requests.clear();
    },
  };
}
