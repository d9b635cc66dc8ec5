/** What a coordinator is given: the job, its data, and where it keeps, listens and waits. */
import type { Clock } from "@weft/transport";
import type { Logger } from "pino";
import type { RunEvent } from "./round/runEvent.ts";
import type { Changes, RunState } from "./round/state.ts";
import type { Stepped } from "./round/step.ts";
import type { Disk } from "./disk.ts";

/** The coordinator's own training examples, served to workers that bring none. */
export interface ExampleStore {
  readonly size: number;
  /** One raw array per field of the job's data contract: the stored rows in the order asked, little-endian. */
  rows(indices: Uint32Array): Uint8Array[];
}

/** The training set divided: indices by part. An array of arrays is one; of a million parts, those asked for are made then. */
export interface ExampleParts {
  readonly length: number;
  at(part: number): Uint32Array | undefined;
}

/** When whole versions are written; between them every round appends what replays it exactly. */
export interface CheckpointOptions {
  /** Default 20. */
  readonly everyRounds?: number | undefined;
  /** Default 60. */
  readonly everySeconds?: number | undefined;
  /** Newest checkpoints kept on disk; default 3. */
  readonly keep?: number | undefined;
}

export interface StoreOptions {
  /** Holds one directory per run. */
  readonly directory: string;
  /** A stored run to go on with (its id or a unique prefix). */
  readonly resume?: string | undefined;
  readonly checkpoint?: CheckpointOptions | undefined;
  /**
   * What a committed round survives: "process" (default) the death of the process at any instant, "power" that of the
   * machine, at the price of flushing to the disk every round.
   */
  readonly durability?: "process" | "power" | undefined;
  /** Default: the file system. Tests put in one that fails. */
  readonly disk?: Disk | undefined;
}

/** A plain HTTP request on the coordinator's port, and its answer. */
export interface PageRequest {
  readonly method: string;
  /** Path without query, decoded. */
  readonly path: string;
}

export interface PageResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Answers pages beyond the coordinator's own; undefined means 404. */
export type PageHandler = (request: PageRequest) => PageResponse | undefined | Promise<PageResponse | undefined>;

/** "worker" takes part in runs; "viewer" reads the HTTP API and metrics; "operator" does all, and steers runs. */
export type Role = "worker" | "viewer" | "operator";

/** Of one address; without a value, programs of this machine are not limited, others to 256, 50 and 50. */
export interface AddressLimitOptions {
  /** WebSockets at once. */
  readonly connections?: number | undefined;
  readonly connectionsPerSecond?: number | undefined;
  /** Of plain HTTP. */
  readonly requestsPerSecond?: number | undefined;
}

export interface ListenOptions {
  /** Default "127.0.0.1". Anything beyond loopback needs a worker's token or `allowOpen`. */
  readonly host?: string | undefined;
  /** 0 takes a free port; default 7700. */
  readonly port?: number | undefined;
  /** Certificate chain and key in PEM; then addresses are wss:// and https://. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** What workers must present in their hello: short for one of `tokens`. */
  readonly token?: string | undefined;
  /** Without one for an operator or viewer there is no HTTP API. */
  readonly tokens?: readonly { readonly token: string; readonly role: Role }[] | undefined;
  /** Accept anyone from beyond this machine. */
  readonly allowOpen?: boolean | undefined;
  /** Browser origins allowed besides the coordinator's own. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** WebSockets at once, over all addresses; default 1024. */
  readonly maxConnections?: number | undefined;
  readonly perAddress?: AddressLimitOptions | undefined;
  readonly pages?: PageHandler | undefined;
}

/** Decides about rounds: see `step`. */
export type Decide = (state: RunState, event: RunEvent) => Stepped;

export interface RunOptions {
  /** Rounds start when this many workers are ready; default 1. */
  readonly expectedWorkers?: number | undefined;
  /**
   * Rounds start with fewer once this long nobody has come, or one is gone without a word; default 10,000. A worker that
   * loses its connection keeps its place in the round for as long.
   */
  readonly gatherMs?: number | undefined;
  /** Rules of the job that a new run begins with otherwise than the job says. */
  readonly changes?: Changes | undefined;
  /** Tests put in a virtual one. */
  readonly clock?: Clock | undefined;
  /** What follows from each event; default: the round machine's `step`. The simulator listens here, and plants mistakes. */
  readonly decide?: Decide | undefined;
}

/** Metrics of a version on held-out data, as means. Called at target checks and at the end; must not keep `weights`. */
export type Evaluate = (weights: Float32Array, version: number) => Promise<Readonly<Record<string, number>>>;

export interface CoordinatorOptions {
  /** The encoded job document. When a stored run is resumed, its own job is used and this may be left out. */
  readonly job?: Uint8Array | undefined;
  /** Needed unless every worker brings its own data. */
  readonly examples?: ExampleStore | undefined;
  /** Divides the examples among `slots` workers for local work; default: contiguous equal runs of a seeded permutation. */
  readonly partition?: ((slots: number) => ExampleParts) | undefined;
  /** Without it the run lives in memory only. */
  readonly store?: StoreOptions | undefined;
  /** Without it workers come only through `attach`. */
  readonly listen?: ListenOptions | undefined;
  readonly run?: RunOptions | undefined;
  readonly evaluate?: Evaluate | undefined;
  /** Default: silent. */
  readonly log?: Logger | undefined;
}
