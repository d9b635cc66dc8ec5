/** Reads the weights beside train.json: length of the header (u64), header (JSON), data. */
import { readFileSync } from "node:fs";
import type { DType, Tensor } from "@weft/tensor";
import { tensor } from "@weft/tensor";

interface Entry {
  readonly dtype: "F32" | "F64";
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

export function readSafetensors(url: URL, dtype: DType): Record<string, Tensor> {
  const file = Uint8Array.from(readFileSync(url));
  const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<string, Entry>;
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return Object.fromEntries(
    entries.map(
      ([
        name,
        {
          dtype: stored,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const { buffer } = file.slice(start + from, start + to);
        const values = stored === "F64" ? new Float64Array(buffer) : new Float32Array(buffer);
        return [name, tensor(values, { shape, dtype })];
      },
    ),
  );
}
