/** What an order asks for, what it takes to answer it, and what the answer holds. */
import type { UpdateFigures, WorkOrder } from "@weft/protocol";
import type { LocalState, StateVectors } from "./localState.ts";
import type { ExampleRows, ExampleSums } from "./training.ts";

/** An order that asks for an update. */
export type TrainingOrder = Exclude<WorkOrder, { readonly kind: "evaluate" }>;

/** Where a worker's examples come from. */
export interface ExampleAccess {
  /** Of the coordinator's set, by index. */
  served(indices: Uint32Array): Promise<ExampleRows>;
  /** What the worker brought, or its part of the coordinator's set, without what it holds out. */
  share(): Promise<ExampleRows>;
}

export interface OrderContext {
  /** That the order is of. */
  readonly round: number;
  /** As it travelled. */
  readonly base: Float32Array;
  /** What the worker kept of earlier rounds; by default nothing. */
  readonly state?: Pick<LocalState, "read">;
  readonly examples: ExampleAccess;
  /** Memory for what local training changes, of all parameters' size; its own by default. */
  readonly room?: Float32Array | undefined;
  /** Told how many steps there will be; what it gives is called after each of them, and throws to give up. */
  readonly begin?: (work: { readonly steps: number; readonly batch: number }) => () => void | Promise<void>;
}

/** What an update is made of, before it is encoded. */
export interface Answer extends ExampleSums {
  /** One after the other on the wire. */
  readonly vectors: readonly Float32Array[];
  readonly figures?: UpdateFigures;
  /** To be staged: what is kept for later rounds if this update counts. */
  readonly kept: StateVectors;
}
