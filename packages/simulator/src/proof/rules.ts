/** What can be made wrong on purpose, to see that the proof notices. */
import { nodeDisk, step, type Decide, type Disk } from "@weft/coordinator";

export interface Rules {
  readonly decide: Decide;
  /** The disk that the coordinator of a stored run writes to. */
  readonly disk: Disk;
}

export const rightRules: Rules = { decide: (state, event) => step(state, event), disk: nodeDisk };
