/**
 * The child's half of the conversation with the bench: one JSON object a line on stdin and stdout, a reply for each request.
 * `torch.py` speaks the same.
 */
import { createInterface } from "node:readline";
import { readInputs } from "./inputs.ts";
import type { Inputs } from "./inputs.ts";

export type Request =
  /** Prepares a workload from its first weights and runs it once. */
  | { readonly kind: "load"; readonly workload: string; readonly inputs: string; readonly dropout: boolean }
  | { readonly kind: "run"; readonly count: number }
  | { readonly kind: "peak" };

export type Reply =
  /** Said once, unasked. `importMs`: from nothing to an engine that can compute. */
  | { readonly kind: "ready"; readonly name: string; readonly importMs: number }
  /** `value` as for "ran"; `ms`: with tracing and compiling. */
  | { readonly kind: "loaded"; readonly ms: number; readonly value: number }
  /** `value`: the loss of the last step, or an element of the result; it is read within the time. */
  | { readonly kind: "ran"; readonly ms: number; readonly value: number }
  /** The most memory that the process ever had. */
  | { readonly kind: "peak"; readonly megabytes: number }
  | { readonly kind: "failed"; readonly message: string };

/** Does the work `count` times and reads a value from the last. */
export type Run = (count: number) => number | Promise<number>;

export interface Engine {
  /** With its version. */
  readonly name: string;
  readonly load: (workload: string, inputs: Inputs, options: { readonly dropout: boolean }) => Run | Promise<Run>;
}

export async function serve(start: () => Promise<Engine>): Promise<void> {
  const reply = (message: Reply) => process.stdout.write(`${JSON.stringify(message)}\n`);
  let run: Run = () => Promise.reject(new Error("nothing is loaded"));
  const timed = async (count: number) => {
    const begin = performance.now();
    const value = await run(count);
    return { ms: performance.now() - begin, value };
  };
  const begin = performance.now();
  const engine = await start();
  reply({ kind: "ready", name: engine.name, importMs: performance.now() - begin });

  for await (const line of createInterface(process.stdin)) {
    const request = JSON.parse(line) as Request;
    try {
      switch (request.kind) {
        case "load": {
          const inputs = readInputs(request.inputs);
          const start = performance.now();
          run = await engine.load(request.workload, inputs, request);
          const { value } = await timed(1);
          reply({ kind: "loaded", ms: performance.now() - start, value });
          break;
        }
        case "run":
          reply({ kind: "ran", ...(await timed(request.count)) });
          break;
        case "peak":
          reply({ kind: "peak", megabytes: process.resourceUsage().maxRSS / 1024 });
          break;
        default:
          request satisfies never;
      }
    } catch (error) {
      reply({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  }
  // Threads of a peer may not know that the work is done.
  process.exit();
}
