/** Our side of every workload, as a user would write it. */
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import type { Engine } from "../serve.ts";
import { kernels } from "./kernels.ts";
import { losses } from "./losses.ts";
import { train } from "./train.ts";

export interface WeftOptions {
  readonly threads: number;
  readonly blas: boolean;
}

/** @throws {Error} where threads or BLAS cannot be had, so that one setting is not timed under another's name */
export function startEngine({ threads, blas }: WeftOptions): Engine {
  const backend = createWasmBackend({ threads, blas: blas ? "auto" : "off" });
  if (backend.threads !== threads) throw new Error(`there are ${backend.threads} of ${threads} threads`);
  if (blas && backend.name === "wasm") throw new Error("no BLAS library was found");
  setBackend(backend);
  return {
    name: `weft ${backend.name}`,
    load(workload, inputs, { dropout }) {
      const loss = losses[workload];
      if (loss) return train(loss, inputs, { dropout });
      const kernel = kernels[workload.replace(/ \d+$/, "")];
      if (kernel) return kernel(inputs);
      throw new Error(`no workload is called ${workload}`);
    },
  };
}
