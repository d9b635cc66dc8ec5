/** Our side of every workload, as a user would write it. */
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import type { Engine } from "../serve.ts";
import { kernels } from "./kernels.ts";
import { losses } from "./losses.ts";
import { train } from "./train.ts";

export function startEngine(): Engine {
  setBackend(createWasmBackend());
  return {
    name: "weft",
    load(workload, inputs, { dropout }) {
      const loss = losses[workload];
      if (loss) return train(loss, inputs, { dropout });
      const kernel = kernels[workload.replace(/ \d+$/, "")];
      if (kernel) return kernel(inputs);
      throw new Error(`no workload is called ${workload}`);
    },
  };
}
