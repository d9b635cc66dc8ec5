/** A coordinator and light workers in processes of their own. */
import type { CoordinatorSetting } from "./coordinatorProcess.ts";
import { type Line, LineProcess } from "./lineProcess.ts";
import type { WorkersOptions } from "./workersProcess.ts";

export interface Crowd {
  readonly coordinator: LineProcess;
  readonly url: string;
  /** Starts so many workers in one process, and waits until all are ready. */
  join(count: number, options?: Partial<WorkersOptions>): Promise<LineProcess>;
}

export async function startCrowd(setting: CoordinatorSetting): Promise<Crowd> {
  const coordinator = new LineProcess("coordinatorProcess.ts", setting);
  const url = String((await coordinator.until("listening"))["url"]);
  return {
    coordinator,
    url,
    async join(count, options = {}) {
      const all: WorkersOptions = { url, count, size: setting.size, value: 0.25, ...options };
      const workers = new LineProcess("workersProcess.ts", all);
      await workers.until("ready");
      return workers;
    },
  };
}

/** A number that a line tells. */
export const figure = (line: Line, field: string): number => Number(line[field]);

export interface StormOptions {
  readonly processes: number;
  readonly perProcess: number;
  readonly rounds: number;
}

export interface StormReport {
  readonly rounds: readonly Line[];
  readonly finished: Line;
  /** Workers that were killed, and those that took their place. */
  readonly killed: number;
  readonly joined: number;
}

/** Long enough that a process begins within a few rounds. */
const thinkMs = 1500;

/** A run under which one process of workers is killed in every round, and another takes its place. */
export async function weatherStorm({ processes, perProcess, rounds }: StormOptions): Promise<StormReport> {
  const crowd = await startCrowd({
    ...{ size: 2000, rounds, workers: processes * perProcess },
    round: { deadlineMs: 60_000 },
    collects: true,
  });
  const { coordinator } = crowd;
  const begin = () => crowd.join(perProcess, { thinkMs });
  const living = await Promise.all(Array.from({ length: processes }, begin));
  let [killed, joined] = [0, processes * perProcess];
  const replacing: Promise<unknown>[] = [];
  for (let round = 1; round < rounds; round++) {
    await coordinator.until("round", (line) => line["round"] === round);
    const victim = living.shift();
    if (victim === undefined) throw new Error("nobody is left");
    await victim.kill();
    killed += perProcess;
    const replacement = begin().then(
      (process) => {
        living.push(process);
        joined += perProcess;
      },
      () => undefined, // The run was over before they could join.
    );
    replacing.push(replacement);
    // On a busy machine processes start more slowly than rounds pass.
    if (living.length < 0.8 * processes) await Promise.all(replacing.splice(0));
  }
  const finished = await coordinator.until("finished");
  await coordinator.exited;
  await Promise.all(replacing);
  await Promise.all(living.map(({ exited }) => exited));
  return { rounds: coordinator.of("round"), finished, killed, joined };
}
