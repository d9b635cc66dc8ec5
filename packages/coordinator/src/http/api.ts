/** The HTTP API: health and metrics, and under /api/ what there is to see and to change of the runs. Routes: README.md. */
import type { Logger } from "pino";
import type { Admission } from "../admission.ts";
import type { Coordinator } from "../coordinator.ts";
import { CoordinatorOptionsError, RunError, StoreError } from "../errors.ts";
import type { ListenOptions, PageResponse, Role } from "../options.ts";
import { storedRounds } from "../store/runs.ts";
import { askedForLoopback, bearerOf, isLoopback } from "./exposure.ts";
import { ApiError } from "./apiError.ts";
import { parseChanges } from "./changesBody.ts";
import { parseStart } from "./startBody.ts";
import type { HttpRequest } from "./httpRequest.ts";
import type { Launch } from "./launch.ts";

export interface ApiContext {
  readonly admission: Admission;
  readonly listen: ListenOptions;
  readonly runs: () => readonly Coordinator[];
  /** In Prometheus' text format. */
  readonly metrics: () => string;
  readonly log: Logger;
  /** Undefined where runs cannot be started from outside. */
  readonly launch: Launch | undefined;
}

interface Call {
  readonly request: HttpRequest;
  readonly context: ApiContext;
  /** What stood in the places of the pattern's groups. */
  readonly run: string;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly role: Role | "anyone" | "metrics";
  readonly answer: (call: Call) => PageResponse | Promise<PageResponse>;
}

const routes: readonly Route[] = [
  { method: "GET", path: /^\/healthz$/, role: "anyone", answer: health },
  { method: "GET", path: /^\/readyz$/, role: "anyone", answer: readiness },
  { method: "GET", path: /^\/metrics$/, role: "metrics", answer: metrics },
  { method: "GET", path: /^\/api\/jobs$/, role: "viewer", answer: listJobs },
  { method: "GET", path: /^\/api\/runs$/, role: "viewer", answer: listRuns },
  { method: "POST", path: /^\/api\/runs$/, role: "operator", answer: startRun },
  { method: "GET", path: /^\/api\/runs\/([^/]+)$/, role: "viewer", answer: showRun },
  { method: "GET", path: /^\/api\/runs\/([^/]+)\/rounds$/, role: "viewer", answer: showRounds },
  { method: "PATCH", path: /^\/api\/runs\/([^/]+)$/, role: "operator", answer: changeRun },
  { method: "POST", path: /^\/api\/runs\/([^/]+)\/pause$/, role: "operator", answer: steer("pause") },
  { method: "POST", path: /^\/api\/runs\/([^/]+)\/unpause$/, role: "operator", answer: steer("unpause") },
  { method: "POST", path: /^\/api\/runs\/([^/]+)\/abort$/, role: "operator", answer: steer("abort") },
];

/** Undefined for a path that is not the API's. */
export function createApi(context: ApiContext): (request: HttpRequest) => Promise<PageResponse | undefined> {
  return async (request) => {
    const { path } = request;
    const isOurs = path === "/api" || path.startsWith("/api/") || routes.some((route) => route.path.test(path));
    if (!isOurs) return undefined;
    try {
      return await route(request, context);
    } catch (error) {
      const refusal = asApiError(error);
      if (refusal === undefined) throw error;
      return failure(refusal);
    }
  };
}

async function route(request: HttpRequest, context: ApiContext): Promise<PageResponse> {
  const { path, headers } = request;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const here = routes.filter((candidate) => candidate.path.test(path));
  const found = here.find((candidate) => candidate.method === method);
  // Whoever may not look is not told what there is.
  const allowed = found === undefined ? mayView(request, context) : isAllowed(found.role, request, context);
  if (!allowed) throw denial(bearerOf(headers), found?.role, context);
  if (found !== undefined) return found.answer({ request, context, run: found.path.exec(path)?.[1] ?? "" });
  if (here.length === 0) throw new ApiError(404, "no-route", `there is no ${path}; README.md lists the routes`);
  const methods = here.map((candidate) => candidate.method).join(", ");
  throw new ApiError(405, "method", `${path} is for ${methods}, not ${method}`);
}

function isAllowed(role: Route["role"], request: HttpRequest, context: ApiContext): boolean {
  if (role === "anyone") return true;
  if (role === "viewer") return mayView(request, context);
  if (role === "metrics") return mayView(request, context) || areMetricsOpen(request, context);
  return context.admission.allows(bearerOf(request.headers), role);
}

const mayView = ({ headers }: HttpRequest, { admission }: ApiContext) => admission.allows(bearerOf(headers), "viewer");

/** Programs of this machine may read metrics, unless viewers have a token; pages whose name points here may not. */
function areMetricsOpen(
  { headers }: HttpRequest,
  { listen: { host = "127.0.0.1", tokens = [] } }: ApiContext,
): boolean {
  return isLoopback(host) && askedForLoopback(headers) && !tokens.some(({ role }) => role === "viewer");
}

function denial(presented: string | undefined, role: Route["role"] | undefined, { admission }: ApiContext): ApiError {
  if (!admission.grants("viewer")) {
    return new ApiError(403, "closed", "no token for viewers or operators was set when this coordinator was started");
  }
  const owner = role === "operator" ? "an operator's" : "a viewer's or operator's";
  return presented === undefined
    ? new ApiError(401, "token", `${owner} token is needed: authorization: Bearer TOKEN`)
    : new ApiError(403, "token", `this token is wrong, or not for this; ${owner} is needed`);
}

function asApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof CoordinatorOptionsError) return new ApiError(422, error.code, error.message);
  if (error instanceof StoreError && error.passing) return new ApiError(503, "disk", error.message);
  return error instanceof RunError ? new ApiError(409, "ended", error.message) : undefined;
}

function failure({ status, code, message }: ApiError): PageResponse {
  const page = json(status, { error: { code, message } });
  return status === 401 ? { ...page, headers: { ...page.headers, "www-authenticate": "Bearer" } } : page;
}

const json = (status: number, value: unknown): PageResponse => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store" },
  body: `${JSON.stringify(value)}\n`,
});

/** Says no more than that it is alive: anyone may ask. */
function health({ context }: Call): PageResponse {
  const reports = context.runs().map((run) => run.report());
  const waiting = reports.some(({ phase }) => phase === "waiting for disk");
  return json(200, {
    status: waiting ? "waiting for disk" : "ok",
    runs: reports.filter(({ phase }) => phase !== "ended").length,
    workers: reports.reduce((sum, { workers }) => sum + workers, 0),
  });
}

/** Whether workers that come now have something to do: a run is under way, and its rounds can be stored. */
function readiness({ context }: Call): PageResponse {
  const live = context
    .runs()
    .map((run) => run.report())
    .filter(({ phase }) => phase !== "ended");
  const reason =
    live.length === 0
      ? "no run is under way"
      : live.find(({ phase }) => phase === "waiting for disk") && "a run waits for its disk";
  return reason === undefined ? json(200, { ready: true }) : json(503, { ready: false, reason });
}

function metrics({ context }: Call): PageResponse {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return { status: 200, headers, body: context.metrics() };
}

function listRuns({ context }: Call): PageResponse {
  return json(200, { runs: context.runs().map((run) => run.report()) });
}

function listJobs({ context }: Call): PageResponse {
  return json(200, { jobs: context.launch?.jobs() ?? [] });
}

/** So that nobody fills the machine by asking in a loop. */
const mostRunsUnderWay = 64;

async function startRun({ request, context }: Call): Promise<PageResponse> {
  const { launch, runs, log } = context;
  const { job, expectedWorkers, changes } = parseStart(await request.body());
  if (launch === undefined) {
    throw new ApiError(
      409,
      "no-jobs",
      "this coordinator was not given jobs to start runs of; `weft serve` gives it its own",
    );
  }
  const known = launch.jobs();
  if (!known.includes(job)) throw new ApiError(404, "no-job", `no job ${job} here; there are: ${known.join(", ")}`);
  const underWay = runs().filter((run) => run.report().phase !== "ended").length;
  if (underWay >= mostRunsUnderWay) {
    throw new ApiError(409, "too-many", `${underWay} runs are under way here, which is the most; abort one first`);
  }
  const run = await launch.start(job, { expectedWorkers, changes });
  log.info({ run: run.run, job, changes }, "started by an operator");
  const page = json(201, run.report());
  return { ...page, headers: { ...page.headers, location: `/api/runs/${run.run}` } };
}

function showRun(call: Call): PageResponse {
  return json(200, runOf(call).report());
}

const mostRounds = 1000;

function showRounds(call: Call): PageResponse {
  const { directory, run } = runOf(call);
  const { query } = call.request;
  const [after, limit] = [wholeOf(query, "after", 0), Math.min(wholeOf(query, "limit", mostRounds), mostRounds)];
  if (directory === undefined)
    throw new ApiError(404, "not-stored", `run ${run} is not stored; its rounds are not kept`);
  return json(200, { rounds: storedRounds(directory, { after, limit }) });
}

function wholeOf(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ApiError(400, "query", `${name}: a whole number expected, got ${JSON.stringify(text.slice(0, 40))}`);
}

async function changeRun(call: Call): Promise<PageResponse> {
  const run = liveRunOf(call);
  const changes = parseChanges(await call.request.body());
  run.change(changes);
  call.context.log.info({ run: run.run, changes }, "changed by an operator");
  return json(200, run.report());
}

function steer(what: "pause" | "unpause" | "abort"): Route["answer"] {
  return (call) => {
    const run = liveRunOf(call);
    // The round under way is given up at once; what follows, such as the last evaluation, is not waited for.
    if (what === "abort") run.stop("aborted by an operator").catch(() => undefined);
    else run[what]();
    call.context.log.info({ run: run.run }, `${what} by an operator`);
    return json(what === "abort" ? 202 : 200, run.report());
  };
}

function runOf({ context, run }: Call): Coordinator {
  const runs = context.runs();
  const named = runs.filter((candidate) => candidate.run === run || candidate.name === run);
  const [first, another] = named;
  if (first === undefined) throw new ApiError(404, "no-run", `no run ${run} here, by id or by its job's name`);
  if (another !== undefined) {
    const ids = named.map((candidate) => candidate.run).join(", ");
    throw new ApiError(409, "ambiguous", `${run} is the name of runs ${ids}; give an id`);
  }
  return first;
}

function liveRunOf(call: Call): Coordinator {
  const run = runOf(call);
  const { phase, detail } = run.report();
  if (phase === "ended") throw new ApiError(409, "ended", `run ${run.run} has ended: ${detail}`);
  return run;
}
