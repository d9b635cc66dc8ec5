/** What a worker is started with, and what it keeps from one session to the next. */
import type { DataContract, Dataset } from "@weft/data";
import type { Clock, Connection } from "@weft/transport";
import type { EncodingRoom } from "./encodingRoom.ts";
import type { WorkerEvent } from "./events.ts";
import type { ExampleStore } from "./exampleStore.ts";
import type { WorkerPolicy } from "./job.ts";
import type { Downloads } from "./downloads.ts";
import type { StateStore, StoredState } from "./storedState.ts";
import type { LocalState } from "./localState.ts";
import type { PendingUpdate } from "./pendingUpdate.ts";
import type { prepareJob } from "./preparedJobs.ts";
import type { Trainer } from "./training.ts";
import type { Versions } from "./versions.ts";

export interface WorkerOptions {
  readonly connect: () => Promise<Connection>;
  /** Shown to the operator; not an identity. */
  readonly name: string;
  /** What computes, for people: "cpu (wasm)". */
  readonly device: string;
  readonly threads: number;
  readonly policy: WorkerPolicy;
  readonly token?: string;
  /** Which of the coordinator's runs to work for, by id or job's name; any that wants workers by default. */
  readonly run?: string;
  /** Loads the worker's own data and checks it against the job's contract. */
  readonly data?: (contract: DataContract) => Promise<Dataset>;
  /** Loads a test set to measure versions on, where the job asks for that; default: examples held out of `data`. */
  readonly testData?: (contract: DataContract) => Promise<Dataset>;
  /** Give up after this long without a coordinator (or, for one that stays, without a run); by default never. */
  readonly unreachableMs?: number;
  /** After a run that has ended it waits for its coordinator's next one; by default it is done then. */
  readonly stays?: boolean;
  readonly onEvent?: (event: WorkerEvent) => void;
  /** The system's by default; the connections are given theirs by `connect`. */
  readonly clock?: Clock;
  /** Where the worker's identity and local state outlive its process; default nowhere. */
  readonly stateStore?: StateStore;
  /** Uniform in [0, 1): the jitter of back-off, and names for the payloads it sends. */
  readonly random?: () => number;
  /** Checks the job and makes its trainer; `prepareJob` by default. The simulator's trainers take virtual time. */
  readonly prepare?: typeof prepareJob;
}

/** What a worker keeps from one session to the next. */
export interface WorkerIdentity {
  resume?: string;
  ownData?: Dataset | undefined;
  testData?: Dataset | undefined;
  served?: ExampleStore | undefined;
  partition?: Uint32Array | undefined;
  /** What updates leave behind for those after them. */
  readonly state: LocalState;
  /** The run and the job of the last session. */
  run?: string;
  job?: { readonly hash: string; readonly trainer: Trainer };
  readonly downloads: Downloads;
  readonly versions: Versions;
  /** Memory of updates. */
  readonly encodings: EncodingRoom;
  readonly pending: PendingUpdate;
}

export interface SessionContext {
  /** Stores what is kept, if it is stored at all. */
  readonly stored: StoredState;
  readonly options: WorkerOptions;
  readonly clock: Clock;
  readonly random: () => number;
  /** Kept across sessions: resume token, fetched examples, loaded data. */
  readonly identity: WorkerIdentity;
  readonly emit: (event: WorkerEvent) => void;
  /** The coordinator has let this worker in. */
  readonly welcomed: () => void;
}
