/** A helping thread as the leader sees it; `nodeThread.ts` and `browserThread.ts` start one, chosen by the package's `#thread`. */
import type { ThreadMessage } from "./threadBody.ts";

export interface Thread {
  post(message: ThreadMessage): void;
  stop(): void;
}
