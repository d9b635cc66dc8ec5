/** A process of light workers: `workersProcess.ts '{"url", "count", "size", "value"}'`; tells on stdout, as JSON, what they see. */
import { runLightWorker } from "./lightWorker.ts";

export interface WorkersOptions {
  readonly url: string;
  readonly count: number;
  readonly size: number;
  /** Every element of every update. */
  readonly value: number;
  readonly thinkMs?: number;
  /** Of each worker: its payloads stop after so many bytes, while it goes on to live. */
  readonly stallsAfterBytes?: number;
  /** Verdicts and uploads are told one by one. */
  readonly talkative?: boolean;
}

const { url, count, size, value, thinkMs, stallsAfterBytes, talkative } = JSON.parse(
  process.argv[2] ?? "",
) as WorkersOptions;
const update = new Uint8Array(new Float32Array(size).fill(value).buffer);
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
let ready = 0;
let accepted = 0;
await Promise.all(
  Array.from({ length: count }, (_, i) =>
    runLightWorker({
      ...{ url, size, update, thinkMs, stallsAfterBytes, name: `${process.pid}.${i}` },
      onEvent(event) {
        if (event.event === "verdict" && event.accepted) accepted += 1;
        if (event.event === "ready" && ++ready === count) tell({ event: "ready", count });
        else if (talkative === true) tell(event);
      },
    }),
  ),
);
tell({ event: "over", accepted });
