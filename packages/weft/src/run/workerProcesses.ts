/** Worker processes on this machine: `weft join` as children, sharing out a number of workers among them. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export interface WorkerProcessOptions {
  readonly url: string;
  readonly workers: number;
  /** Default: one process for each worker. */
  readonly processes?: number;
  readonly token?: string;
  /** Path of a certificate to trust. */
  readonly ca?: string;
  /** The run to work for, where the coordinator has several. */
  readonly run?: string;
}

export interface WorkerProcesses {
  readonly children: readonly ChildProcess[];
  /** Resolves once every child has exited: their exit codes. */
  readonly exited: Promise<readonly (number | null)[]>;
  stop(): void;
}

/** Children end by themselves with their run, and also when this process dies: they watch the channel to it. */
export function startWorkerProcesses(options: WorkerProcessOptions): WorkerProcesses {
  const processes = Math.min(options.processes ?? options.workers, options.workers);
  // Processes that compute side by side get a part of the cores each.
  const threads = Math.max(1, Math.floor(availableParallelism() / processes));
  const children = Array.from({ length: processes }, (_, i) => {
    const share = Math.floor(((i + 1) * options.workers) / processes) - Math.floor((i * options.workers) / processes);
    return startChild(options, { workers: share, threads });
  });
  const exits = children.map(
    (child) => new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code))),
  );
  return {
    children,
    exited: Promise.all(exits),
    stop: () => {
      for (const child of children) child.kill("SIGTERM");
    },
  };
}

function startChild(
  { url, token, ca, run }: WorkerProcessOptions,
  { workers, threads }: { readonly workers: number; readonly threads: number },
): ChildProcess {
  const share = ["--workers", String(workers), "--threads", String(threads)];
  const which = [...(run === undefined ? [] : ["--run", run]), ...(ca === undefined ? [] : ["--ca", ca])];
  const args = [...commandLine(), "join", url, ...share, ...which, "--child"];
  // A token on the command line would show in the process list.
  const env = { ...process.env, ...(token === undefined ? {} : { WEFT_TOKEN: token }) };
  return spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
}

/** Arguments after `node` that start the weft command as this process was started: from source or from dist. */
export function commandLine(): string[] {
  const extension = extname(fileURLToPath(import.meta.url));
  const main = fileURLToPath(new URL(`../main${extension}`, import.meta.url));
  if (extension === ".js") return [main];
  return ["--conditions=weft-source", "--import", import.meta.resolve("tsx"), main];
}
