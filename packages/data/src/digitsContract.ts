/** The contract that the datasets of handwritten digits share. */
import type { DataContract } from "./contract.ts";

export function imageContract({ side, scale }: { side: number; scale: number }): DataContract {
  return {
    fields: [
      { name: "image", shape: [side, side, 1], dtype: "f32", stored: "u8", scale, range: [0, 1] },
      { name: "label", shape: [], dtype: "i32", stored: "u8", scale: 1, range: [0, 9] },
    ],
  };
}
