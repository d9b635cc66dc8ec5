/** One workload on every engine: alone for first step and memory, side by side for the losses, turn and turn about for speed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Figure } from "../figure.ts";
import { median, threeDigits } from "../figure.ts";
import type { Setting } from "./contestant.ts";
import { Contestant } from "./contestant.ts";
import { writeInputs } from "./inputs.ts";
import { ownProduct } from "./settings.ts";
import type { Workload } from "./workloads.ts";

const usualRounds = 7;
/** Each turn lasts about this long, and at least one run. */
const turnMs = 300;
/** Runs whose losses are compared, without dropout. */
const comparedRuns = 5;
const tolerance = 1e-3;

export interface ContestOptions {
  /** Also tell the time to the first step and the peak memory. */
  readonly costs: boolean;
  readonly rounds?: number | undefined;
}

interface Entrant {
  readonly contestant: Contestant;
  readonly values: readonly number[];
  readonly firstMs: number;
  readonly peakMegabytes: number;
  /** Runs in a turn. */
  readonly count: number;
  /** Milliseconds per run of each round. */
  readonly turns: number[];
}

export async function* contest(
  workload: Workload,
  settings: readonly Setting[],
  { costs, rounds = usualRounds }: ContestOptions,
): AsyncIterable<Figure> {
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
  const entrants: Entrant[] = [];
  try {
    const inputs = join(folder, "inputs.safetensors");
    writeInputs(inputs, workload.inputs());
    for (const setting of settings) {
      process.stderr.write(`  ${workload.name}: ${setting.product}, ${setting.setting} …\n`);
      const entrant = await enter(workload, setting, inputs);
      if (entrant) entrants.push(entrant);
    }
    compareValues(entrants);
    await takeTurns(entrants, rounds);
    for (const entrant of entrants) {
      const { contestant, turns, firstMs, peakMegabytes } = entrant;
      const rate = threeDigits((workload.work / median(turns)) * 1000);
      const first = `first run ${threeDigits(firstMs)} ms, peak ${threeDigits(peakMegabytes)} MB`;
      process.stderr.write(`  ${nameOf(contestant)}: ${rate} ${workload.unit}, ${first}\n`);
    }
    yield* figuresOf(workload, entrants, costs);
  } finally {
    for (const { contestant } of entrants) contestant.close();
    rmSync(folder, { recursive: true });
  }
}

const nameOf = ({ name, setting }: Contestant) => `${name}, ${setting.setting}`;

/** Starts it alone, and measures what only a fresh process tells. Undefined, with a word on stderr, when it cannot. */
async function enter(workload: Workload, setting: Setting, inputs: string): Promise<Entrant | undefined> {
  let contestant: Contestant | undefined;
  try {
    contestant = await Contestant.start(setting);
    const load = (dropout: boolean) => contestant!.load({ workload: workload.name, inputs, dropout });
    const loaded = await load(workload.dropout);
    const { values, runMs } = await firstRuns(contestant, loaded.value);
    const peakMegabytes = await contestant.peakMegabytes();
    const entrant = { contestant, firstMs: loaded.ms, peakMegabytes, turns: [] };
    const count = Math.max(1, Math.round(turnMs / runMs));
    if (!workload.dropout) return { ...entrant, values, count };
    const plain = await firstRuns(contestant, (await load(false)).value);
    await load(true);
    return { ...entrant, values: plain.values, count };
  } catch (error) {
    contestant?.close();
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`  ${setting.product}, ${setting.setting}: cannot run ${workload.name}: ${reason}\n`);
    return undefined;
  }
}

async function firstRuns(contestant: Contestant, first: number): Promise<{ values: number[]; runMs: number }> {
  const values = [first];
  let runMs = Infinity;
  while (values.length < comparedRuns) {
    const { ms, value } = await contestant.run(1);
    values.push(value);
    runMs = Math.min(runMs, ms);
  }
  const { ms } = await contestant.run(Math.max(1, Math.round(turnMs / runMs)));
  return { values, runMs: ms / Math.max(1, Math.round(turnMs / runMs)) };
}

/** @throws {Error} when engines started from the same weights do not compute the same */
function compareValues(entrants: readonly Entrant[]): void {
  const [first, ...others] = entrants;
  if (!first) throw new Error("no engine can run it");
  for (const { contestant, values } of entrants) {
    process.stderr.write(`  ${nameOf(contestant)}: ${values.map((value) => value.toFixed(5)).join(" ")}\n`);
  }
  for (const { contestant, values } of others) {
    const differs = values.findIndex((value, i) => !close(value, first.values[i]!));
    if (differs === -1) continue;
    throw new Error(
      `${nameOf(contestant)} differs at run ${differs}: ${values[differs]} against ${first.values[differs]} of ` +
        `${nameOf(first.contestant)}, expected within ${tolerance}`,
    );
  }
}

const close = (a: number, b: number) => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));

/** Each round begins with another one. A run before the clock starts wakes threads and caches. */
async function takeTurns(entrants: readonly Entrant[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < entrants.length; i++) {
      const { contestant, count, turns } = entrants[(i + round) % entrants.length]!;
      if (count > 1) await contestant.run(1);
      turns.push((await contestant.run(count)).ms / count);
    }
  }
}

/** Each of our settings against the fastest of each peer's; costs against the peer that has the least. */
function* figuresOf({ name, unit, work }: Workload, entrants: readonly Entrant[], costs: boolean): Iterable<Figure> {
  const ours = entrants.filter(({ contestant }) => contestant.setting.product === ownProduct);
  const others = entrants.filter((entrant) => !ours.includes(entrant));
  const products = Map.groupBy(others, ({ contestant }) => contestant.setting.product);
  const leastOf = (all: readonly Entrant[], cost: (entrant: Entrant) => number) =>
    all.reduce((best, entrant) => (cost(entrant) < cost(best) ? entrant : best));
  for (const own of ours) {
    const figure = (what: string, peer: Entrant, value: Pick<Figure, "value" | "unit" | "ratio">): Figure => ({
      name: `${name}${what}, ${own.contestant.setting.setting}`,
      value: threeDigits(value.value),
      unit: value.unit,
      vs: nameOf(peer.contestant),
      ratio: threeDigits(value.ratio),
    });
    for (const settings of products.values()) {
      const peer = leastOf(settings, ({ turns }) => median(turns));
      const ratio = median(own.turns.map((ms, round) => peer.turns[round]! / ms));
      yield figure("", peer, { value: (work / median(own.turns)) * 1000, unit, ratio });
    }
    if (!costs || others.length === 0) continue;
    const quickest = leastOf(others, ({ firstMs }) => firstMs);
    yield figure(" first step", quickest, { value: own.firstMs, unit: "ms", ratio: quickest.firstMs / own.firstMs });
    const leanest = leastOf(others, ({ peakMegabytes }) => peakMegabytes);
    const ratio = leanest.peakMegabytes / own.peakMegabytes;
    yield figure(" peak memory", leanest, { value: own.peakMegabytes, unit: "MB", ratio });
  }
}
