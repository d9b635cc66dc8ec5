/** Several runs behind one port: workers say which one they are for, operators steer them all. */
import { systemClock, type Clock } from "@weft/transport";
import { type Logger, pino } from "pino";
import { createAdmission } from "../admission.ts";
import type { Coordinator } from "../coordinator.ts";
import { createApi } from "../http/api.ts";
import type { Launch } from "../http/launch.ts";
import { startServer } from "../http/server.ts";
import { RunError } from "../errors.ts";
import type { CoordinatorOptions, ListenOptions } from "../options.ts";
import { createMetrics } from "../observe/metrics.ts";
import { heartbeatMs, type Hosting, startRun, type StartedRun } from "../startRun.ts";
import type { Enterable } from "./chooseRun.ts";
import { Entrance } from "./entrance.ts";

export interface HostOptions {
  readonly listen: ListenOptions;
  /** Tests put in a virtual one. */
  readonly clock?: Clock | undefined;
  /** Default: silent. */
  readonly log?: Logger | undefined;
  /** Lets operators start runs through the HTTP API. */
  readonly launch?: Launch | undefined;
  /** Whether the port is let go of once no run is under way any more. */
  readonly closesWithRuns?: boolean | undefined;
}

export interface Host {
  /** ws://host:port or wss://host:port. */
  readonly url: string;
  /** In the order they were added; the newest hundred of those that have ended stay. */
  readonly runs: readonly Coordinator[];
  /** Starts a run here, or goes on with a stored one. Throws as `createCoordinator` does. */
  readonly add: (options: Omit<CoordinatorOptions, "listen">) => Promise<Coordinator>;
  /** Ends runs that are still under way as a killed process would, gives up those that are only beginning, and lets go of the port. */
  readonly close: () => Promise<void>;
}

const messagesPerSecond = 2000;
const endedRunsKept = 100;

/** @throws {ListenError} when the address cannot, or must not, be listened on */
export async function createHost(options: HostOptions): Promise<Host> {
  const { listen, clock = systemClock } = options;
  const log = options.log ?? pino({ level: "silent" });
  const wireLog = log.child({ topic: "wire" });
  const admission = createAdmission(listen);
  const runs = new HostedRuns();
  const entrance = new Entrance({ admission, clock, log: wireLog, runs: () => runs.enterable });
  const metrics = createMetrics(() => runs.coordinators);
  const { launch } = options;
  const closing = new AbortController();
  const api = { admission, listen, launch, runs: () => runs.coordinators, metrics: () => metrics.text() };
  const server = await startServer(listen, {
    log: wireLog,
    admission,
    nowMs: () => clock.now(),
    link: {
      accepts: "worker",
      clock,
      heartbeatMs,
      maxMessagesPerSecond: messagesPerSecond,
      onFault: ({ remote, code, reason, cause }) => {
        // Only what is our own fault has more to say than its reason.
        wireLog.warn({ remote, code, reason, ...(code === 1011 ? { err: cause } : {}) }, "connection closed");
      },
    },
    entrance,
    answer: createApi({ ...api, log: log.child({ topic: "api" }) }),
  }).catch((error: unknown) => {
    metrics.close();
    throw error;
  });
  const letGo = () => {
    entrance.close();
    metrics.close();
    return server.close();
  };
  return {
    url: server.url,
    get runs() {
      return runs.coordinators;
    },
    async add(run) {
      const where = { url: server.url, admission, signal: closing.signal };
      const coordinator = await runs.add({ log, ...run, run: { clock, ...run.run } }, where, async () => {
        if (options.closesWithRuns === true && runs.enterable.length === 0) await letGo();
      });
      if (closing.signal.aborted) await coordinator.abort();
      closing.signal.throwIfAborted();
      metrics.watch(coordinator);
      return coordinator;
    },
    async close() {
      closing.abort(new RunError("the host was closed while a run began on it; add the run to another"));
      await Promise.all(runs.enterable.map((run) => run.abort()));
      await letGo();
    },
  };
}

class HostedRuns {
  readonly #started: StartedRun[] = [];
  readonly #over = new Set<StartedRun>();

  get coordinators(): readonly Coordinator[] {
    return this.#started.map(({ coordinator }) => coordinator);
  }

  get enterable(): readonly (Enterable & Pick<Coordinator, "abort">)[] {
    return this.#started
      .filter((started) => !this.#over.has(started))
      .map(({ coordinator, live, limits }) => ({
        run: coordinator.run,
        limits,
        report: () => coordinator.report(),
        abort: () => coordinator.abort(),
        knows: (token) => live.knows(token),
        attach: (connection) => {
          live.attach(connection);
        },
      }));
  }

  /** @param released called when a run needs the port no more */
  async add(options: CoordinatorOptions, where: Omit<Hosting, "release">, released: () => Promise<void>) {
    const release = () => {
      this.#over.add(started);
      this.#forgetOldest();
      return released();
    };
    const started = await startRun(options, { ...where, release });
    this.#started.push(started);
    return started.coordinator;
  }

  #forgetOldest(): void {
    const ended = this.#started.filter((started) => this.#over.has(started));
    for (const oldest of ended.slice(0, Math.max(0, ended.length - endedRunsKept))) {
      this.#started.splice(this.#started.indexOf(oldest), 1);
      this.#over.delete(oldest);
    }
  }
}
