/** What one simulation is run with, and the knobs that change it from a command line. */
import type { JobWork } from "@weft/protocol";
import type { MachineModel } from "@weft/simulator";
import { UsageError } from "../errors.ts";
import type { Directions, OneCodec } from "../job/codec.ts";
import type { JobDefinition } from "../job/defineJob.ts";
import { parsePartition } from "../job/partition.ts";

export interface Settings {
  readonly definition: JobDefinition;
  readonly workers: number;
  readonly machines: MachineModel;
}

interface Knob {
  /** For the help text: what it sets, and how a value looks. */
  readonly help: string;
  readonly turn: (settings: Settings, text: string) => Settings;
}

const inRound = (settings: Settings, round: Partial<JobDefinition["round"]>): Settings => ({
  ...settings,
  definition: { ...settings.definition, round: { ...settings.definition.round, ...round } },
});

const inMachines = (settings: Settings, machines: Partial<MachineModel>): Settings => ({
  ...settings,
  machines: { ...settings.machines, ...machines },
});

/** A number within bounds; `what` names the knob. */
export function numberIn(
  what: string,
  text: string,
  bounds: { readonly above?: number; readonly least?: number; readonly most?: number; readonly whole?: boolean },
): number {
  const { above = -Infinity, least = -Infinity, most = Infinity, whole = false } = bounds;
  const value = Number(text);
  if (text.trim() !== "" && value > above && value >= least && value <= most && (!whole || Number.isInteger(value))) {
    return value;
  }
  const range = [
    ...(above > -Infinity ? [`above ${above}`] : []),
    ...(least > -Infinity ? [`from ${least}`] : []),
    ...(most < Infinity ? [`to ${most}`] : []),
  ];
  throw new UsageError(`${what} is a ${whole ? "whole " : ""}number ${range.join(" ")}, got ${text || "nothing"}`);
}

/** Changes the local work of a federated job. */
function inLocalWork(what: string, settings: Settings, change: (work: Extract<JobWork, { kind: "local" }>) => JobWork) {
  const { work } = settings.definition.round;
  if (work.kind === "local") return inRound(settings, { work: change(work) });
  throw new UsageError(`${what} is of federated rounds; job ${settings.definition.name} divides gradients`);
}

/** Each direction keeps what it had where nothing else is said of it. */
function inCodec({ definition, ...settings }: Settings, change: Directions): Settings {
  const { codec = "f32" } = definition;
  const before: Directions = typeof codec === "string" || "kind" in codec ? { up: codec, down: codec } : codec;
  return { ...settings, definition: { ...definition, codec: { ...before, ...change } } };
}

/** As it is written on a command line; whether there is such a codec is for the job to say. */
function codecNamed(text: string): OneCodec {
  const [kind = "", setting] = text.split(":", 2);
  if (setting === undefined) return kind as OneCodec;
  const number = numberIn(`the setting of codec ${kind}`, setting, { above: 0 });
  return { kind, ...(kind === "lowRank" ? { rank: number } : { fraction: number }) } as OneCodec;
}

export const knobs: Readonly<Record<string, Knob>> = {
  workers: {
    help: "how many there are",
    turn: (settings, text) => ({
      ...settings,
      workers: numberIn("workers", text, { least: 1, most: 10_000_000, whole: true }),
    }),
  },
  partition: {
    help: "iid, shards:2, dirichlet:0.3, sizes:0.5, key:FIELD",
    turn: (settings, text) => inRound(settings, { partition: parsePartition(text) }),
  },
  cohort: {
    help: "workers invited: a share such as 0.1, or a count such as 20",
    turn: (settings, text) => {
      const { cohort } = settings.definition.round;
      const value = numberIn("cohort", text, { above: 0 });
      const isCount = Number.isInteger(value) && !text.includes(".");
      const { sampling, fairness, overSelect } = cohort;
      const rest = {
        ...(sampling === undefined ? {} : { sampling }),
        ...(fairness === undefined ? {} : { fairness }),
        ...(overSelect === undefined ? {} : { overSelect }),
      };
      return inRound(settings, { cohort: isCount ? { count: value, ...rest } : { fraction: value, ...rest } });
    },
  },
  epochs: {
    help: "local epochs of a round",
    turn: (settings, text) => {
      const epochs = numberIn("epochs", text, { least: 1, whole: true });
      return inLocalWork("epochs", settings, ({ steps, ...work }) => {
        if (steps !== undefined) throw new UsageError("epochs: the job counts its local work in steps");
        return { ...work, epochs };
      });
    },
  },
  batch: {
    help: "examples in a batch",
    turn: (settings, text) => {
      const batchSize = numberIn("batch", text, { least: 1, whole: true });
      return inRound(settings, { work: { ...settings.definition.round.work, batchSize } });
    },
  },
  rate: {
    help: "local learning rate",
    turn: (settings, text) => {
      const learningRate = numberIn("rate", text, { above: 0 });
      return inLocalWork("rate", settings, (work) => ({ ...work, optimizer: { ...work.optimizer, learningRate } }));
    },
  },
  codec: {
    help: "of updates, such as int8, int4, int2, sign, topK:0.01, lowRank:4",
    turn: (settings, text) => inCodec(settings, { up: codecNamed(text) }),
  },
  down: {
    help: "of what is sent to workers: f32, f16, bf16, int8, int4",
    turn: (settings, text) => inCodec(settings, { down: codecNamed(text) }),
  },
  seed: {
    help: "of the job",
    turn: ({ definition, ...settings }, text) => ({
      ...settings,
      definition: { ...definition, seed: numberIn("seed", text, { least: 0, whole: true }) },
    }),
  },
  spread: {
    help: "of speeds, as the deviation of their logarithm",
    turn: (settings, text) => inMachines(settings, { spread: numberIn("spread", text, { least: 0, most: 5 }) }),
  },
  availability: {
    help: "share of the time that a worker is there",
    turn: (settings, text) =>
      inMachines(settings, { availability: numberIn("availability", text, { above: 0, most: 1 }) }),
  },
};

/** A knob and the values it is to have, as `NAME=VALUE,VALUE`. */
export interface Variation {
  readonly knob: string;
  readonly values: readonly string[];
}

export function parseVariation(text: string): Variation {
  const [knob = "", list = ""] = text.split("=", 2);
  const values = list.split(",").filter((value) => value !== "");
  if (knobs[knob] === undefined || values.length === 0) {
    throw new UsageError(`--vary ${text}: expected NAME=VALUE,VALUE with a name of ${Object.keys(knobs).join(", ")}`);
  }
  return { knob, values };
}

export interface Named {
  readonly name: string;
  readonly settings: Settings;
}

/** Every combination of the values, named by those that differ. */
export function variants(base: Settings, variations: readonly Variation[]): Named[] {
  return variations.reduce<Named[]>(
    (all, { knob, values }) =>
      all.flatMap(({ name, settings }) =>
        values.map((value) => ({
          name: values.length === 1 ? name : [name, `${knob} ${value}`].filter(Boolean).join(", "),
          settings: knobs[knob]?.turn(settings, value) ?? settings,
        })),
      ),
    [{ name: "", settings: base }],
  );
}
