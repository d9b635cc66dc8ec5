/** `weft simulate` with a million workers as a process of its own, and the most memory it ever had. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface SimulatedCrowd {
  /** Of the whole process, all threads together. */
  readonly peakBytes: number;
  readonly seconds: number;
  /** Its last event. */
  readonly finished: { readonly reason: string; readonly rounds: number };
}

export async function simulateCrowd(workers: number, threads: number): Promise<SimulatedCrowd> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const flags = ["--workers", String(workers), "--threads", String(threads), "--json"];
  const child = spawn(
    process.execPath,
    [
      ...[
        "--conditions=weft-source",
        "--import",
        "tsx",
        "--import",
        new URL("million/peakMemory.mjs", import.meta.url).href,
      ],
      ...[path("../../packages/weft/src/main.ts"), "simulate", path("million/job.ts"), ...flags],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const begunMs = performance.now();
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [code] = (await once(child, "close")) as [number | null];
  const peak = /^peak (\d+) KiB$/m.exec(err)?.[1];
  const last = out.trimEnd().split("\n").at(-1);
  if (code !== 0 || peak === undefined || last === undefined) {
    throw new Error(`the simulation ended with code ${code}: ${err.slice(-2000)}`);
  }
  return {
    peakBytes: 1024 * Number(peak),
    seconds: (performance.now() - begunMs) / 1000,
    finished: JSON.parse(last) as SimulatedCrowd["finished"],
  };
}
