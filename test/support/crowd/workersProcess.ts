/** A process of light workers: `workersProcess.ts '{"url", "count", "size", "value"}'`; tells on stdout, as JSON, what they see. */
import { codecText, type CodecSpec, createManifest, encodeVector, openCodec } from "@weft/vector";
import { runLightWorker } from "./lightWorker.ts";

export interface WorkersOptions {
  readonly url: string;
  readonly count: number;
  readonly size: number;
  /** Every element of every update in f32; those of others lie between 0 and this. */
  readonly value: number;
  /** That updates travel in, one that encodes block by block; default f32. */
  readonly codec?: CodecSpec | undefined;
  readonly thinkMs?: number;
  /** Of each worker: its payloads stop after so many bytes, while it goes on to live. */
  readonly stallsAfterBytes?: number;
  /** Verdicts and uploads are told one by one. */
  readonly talkative?: boolean;
}

const { url, count, size, value, codec, thinkMs, stallsAfterBytes, talkative } = JSON.parse(
  process.argv[2] ?? "",
) as WorkersOptions;
const update = codec === undefined ? new Uint8Array(new Float32Array(size).fill(value).buffer) : encoded(codec);
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
let ready = 0;
let accepted = 0;
await Promise.all(
  Array.from({ length: count }, (_, i) =>
    runLightWorker({
      ...{
        url,
        size,
        update,
        codec: codec && codecText(codec),
        thinkMs,
        stallsAfterBytes,
        name: `${process.pid}.${i}`,
      },
      onEvent(event) {
        if (event.event === "verdict" && event.accepted) accepted += 1;
        if (event.event === "ready" && ++ready === count) tell({ event: "ready", count });
        else if (talkative === true) tell(event);
      },
    }),
  ),
);
tell({ event: "over", accepted });

function encoded(spec: CodecSpec): Uint8Array {
  const values = Float32Array.from({ length: size }, (_, i) => (value * ((i * 7919) % 1013)) / 1013);
  const manifest = createManifest([{ name: "all", shape: [size], kind: "weight" }]);
  return encodeVector(openCodec(spec, manifest), values, { seed: 1 }).bytes;
}
