/** What can be made wrong on purpose, to see that the proof notices. */
import { nodeDisk, step, type Decide, type Disk } from "@weft/coordinator";
import type { CoordinatorMessage, Message } from "@weft/protocol";

export interface Rules {
  readonly decide: Decide;
  /** The disk that the coordinator of a stored run writes to. */
  readonly disk: Disk;
  /** A message as a worker gets it, after so many restarts of the coordinator. */
  readonly receives: (message: CoordinatorMessage, restarts: number) => CoordinatorMessage;
  /** A message that a worker sends. */
  readonly sends: (message: Message, restarts: number) => Message;
  /** What a new process of a worker finds of what the one before has stored. */
  readonly restores: (state: Uint8Array) => Uint8Array;
}

export const rightRules: Rules = {
  decide: (state, event) => step(state, event),
  disk: nodeDisk,
  receives: (message) => message,
  sends: (message) => message,
  restores: (state) => state,
};
