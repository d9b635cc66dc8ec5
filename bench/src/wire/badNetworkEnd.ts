/**
 * The two ends of the bad network. `badNetworkEnd.ts coordinator ROUNDS` takes a plain stream, a bare link and the workers of
 * a real run; `badNetworkEnd.ts stream` sends the first two side by side until it is killed; `badNetworkEnd.ts worker` is a real worker.
 */
import { connect, createServer as createTcpServer } from "node:net";
import { createServer } from "node:http";
import { createCoordinator } from "@weft/coordinator";
import { decodeJob, encodeJob, type Message } from "@weft/protocol";
import { trace, uniform } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { acceptWebSocket, connectWebSocket, type Connection, webSocketServerOptions } from "@weft/transport";
import { createManifest, openCodec } from "@weft/vector";
import type { checkJob } from "@weft/worker";
import { defaultPolicy, startWorker, type Trainer } from "@weft/worker";
import { WebSocketServer } from "ws";

const ports = { run: 7700, plain: 7701, link: 7702 } as const;
const host = "10.77.0.1";
const elements = 150_000;
/** For the stream: what the coordinator's end has counted so far. For the run: how it went. */
const tell = (what: Readonly<Record<string, number>>) => process.stdout.write(`${JSON.stringify(what)}\n`);

const [role, argument = ""] = process.argv.slice(2);
if (role === "coordinator") await coordinate(Number(argument));
if (role === "stream") await stream();
if (role === "worker") await work();

async function coordinate(rounds: number): Promise<void> {
  const taken = { plain: 0, ours: 0 };
  createTcpServer((socket) => {
    socket.on("data", (data) => (taken.plain += data.length));
    socket.on("error", () => undefined);
  }).listen(ports.plain);
  const server = createServer().listen(ports.link);
  new WebSocketServer({ server, ...webSocketServerOptions }).on("connection", (socket) => {
    acceptWebSocket(socket, { accepts: "worker" }, "worker").listen((_, payload) => {
      const count = async () => {
        for await (const chunk of payload?.chunks() ?? []) taken.ours += chunk.length;
      };
      count().catch(() => undefined);
    });
  });
  const told = setInterval(() => tell(taken), 250);
  const coordinator = await createCoordinator({
    job: job(rounds),
    examples: { size: 100, rows: (indices) => [new Uint8Array(indices.length)] },
    listen: { host, port: ports.run, allowOpen: true },
  });
  let [bytesUp, bytesDown] = [0, 0];
  coordinator.on((event) => {
    if (event.event !== "round") return;
    bytesUp += event.bytesUp;
    bytesDown += event.bytesDown;
  });
  const { version } = await coordinator.finished;
  clearInterval(told);
  tell({ rounds: version, bytesUp, bytesDown });
  process.exit(0);
}

function job(rounds: number): Uint8Array {
  const initialize = trace((key) => [uniform(key, [elements], { min: -1 })], [{ shape: [2], dtype: "u32" }]);
  const dummy = { batch: 1, bytes: new Uint8Array([1]) };
  return encodeJob(
    {
      format: 1,
      name: "bad-network",
      parameters: [{ name: "w", shape: [elements], kind: "weight" }],
      data: { fields: [{ name: "x", shape: [], dtype: "f32", stored: "u8", scale: 1 }] },
      examples: 100,
      metrics: [],
      round: {
        work: { kind: "gradient", batchSize: 10 },
        cohort: { fraction: 1 },
        quorum: { fraction: 1 },
        deadlineMs: 300_000,
        weighting: "examples",
        server: { name: "sgd", learningRate: 0.01 },
        normBound: 1e4,
      },
      codec: { up: { kind: "f32" }, down: { kind: "f32" } },
      stop: { rounds },
      seed: 1,
    },
    { initialize: { batch: 0, bytes: encode(initialize) }, loss: [dummy], evaluate: dummy, predict: dummy },
  );
}

async function stream(): Promise<void> {
  const piece = new Uint8Array(65_536);
  const socket = connect(ports.plain, host);
  const more = () => {
    while (socket.write(piece));
  };
  socket.on("connect", more);
  socket.on("drain", more);
  const link = await connectWebSocket(`ws://${host}:${ports.link}`, { accepts: "coordinator" });
  const update = { kind: "update", run: "r", round: 1, attempt: 0, version: 0, codec: "f32", weight: 1 } as const;
  const parts = Array.from({ length: 4096 }, () => piece);
  link.send({ ...update, metrics: {}, computeMs: 0 }, parts).catch(() => undefined);
}

/** A real worker but for its mathematics: its gradient is the base. Tells how many transfers it went on with. */
async function work(): Promise<void> {
  const resumed = { connections: 0, up: 0, down: 0 };
  const worker = startWorker({
    async connect() {
      const connection = await connectWebSocket(`ws://${host}:${ports.run}`, { accepts: "coordinator" });
      resumed.connections += 1;
      return watched(connection, (message) => {
        if (message.kind === "update" && (message.transfer?.offset ?? 0) > 0) resumed.up += 1;
        if (message.kind === "weights" && (message.offset ?? 0) > 0) resumed.down += 1;
      });
    },
    name: "worker",
    device: "none",
    threads: 1,
    policy: defaultPolicy,
    unreachableMs: 10_000,
    data: (contract) => Promise.resolve({ contract, size: 10, columns: [new Uint8Array(10)] }),
    prepare: (bytes) => Promise.resolve(trainerOf(bytes)),
  });
  const outcome = await worker.outcome;
  tell(resumed);
  // A reset may have cost it the news that the run is over: then it is alone.
  const isOver = outcome.kind === "finished" || outcome.kind === "unreachable";
  if (!isOver) process.stderr.write(`${JSON.stringify(outcome)}\n`);
  process.exit(isOver ? 0 : 1);
}

function watched(connection: Connection, see: (message: Message) => void): Connection {
  return {
    get remote() {
      return connection.remote;
    },
    get stats() {
      return connection.stats;
    },
    get closed() {
      return connection.closed;
    },
    close: (code, reason) => {
      connection.close(code, reason);
    },
    send(message, payload, options) {
      see(message);
      return connection.send(message, payload, options);
    },
    listen(listener) {
      connection.listen((message, payload) => {
        see(message);
        listener(message, payload);
      });
    },
  };
}

function trainerOf(bytes: Uint8Array): Trainer {
  const { document } = decodeJob(bytes);
  const manifest = createManifest(document.parameters);
  const codec = openCodec({ kind: "f32" }, manifest);
  const absent = () => Promise.reject(new Error("not asked for here"));
  return {
    job: {
      document,
      manifest,
      fragments: [{ index: 0, start: 0, end: elements, codec, encoded: { from: 0, to: codec.encodedBytes } }],
      codecs: { down: codec },
    } as unknown as ReturnType<typeof checkJob>,
    gradient: (base, { rows }) =>
      Promise.resolve({ gradient: base.slice(), weight: rows.length, metrics: { loss: 1 } }),
    train: absent,
    initialize: absent,
    evaluate: absent,
    predict: absent,
  };
}
