/** How the coordinator's examples are shared out among workers that bring none. */
import {
  type Dataset,
  partitionByKey,
  partitionDirichlet,
  partitionDirichletSizes,
  partitionIid,
  partitionShards,
} from "@weft/data";
import type { ExampleParts } from "@weft/coordinator";
import { JobError } from "../errors.ts";

export type PartitionRule =
  | { readonly kind: "iid" }
  /** Sorted by label and dealt in shards, as in the FedAvg paper (McMahan et al. 2017). */
  | { readonly kind: "shards"; readonly shardsPerWorker: number }
  /** Every label divided in proportions of its own (Yurochkin et al. 2019); the smaller `alpha`, the fewer labels a worker sees. */
  | { readonly kind: "dirichlet"; readonly alpha: number }
  /** Shares of unequal size, labels at random (Li et al. 2022). */
  | { readonly kind: "sizes"; readonly alpha: number }
  /** Examples that agree in a field stay together, such as those of one writer. */
  | { readonly kind: "key"; readonly field: string };

export const iid = (): PartitionRule => ({ kind: "iid" });
export const shards = (shardsPerWorker: number): PartitionRule => ({ kind: "shards", shardsPerWorker });
export const dirichlet = (alpha: number): PartitionRule => ({ kind: "dirichlet", alpha });
export const unequalSizes = (alpha: number): PartitionRule => ({ kind: "sizes", alpha });
export const byKey = (field: string): PartitionRule => ({ kind: "key", field });

/**
 * Divides a training set.
 *
 * @throws {DataRangeError} when there are too few examples, or keys, for so many workers
 * @throws {JobError} for a field that the data does not have as one number
 */
export function partitionOf(
  rule: PartitionRule,
  train: Dataset,
  { workers, seed }: { readonly workers: number; readonly seed: number },
): ExampleParts {
  const labels = () => numbersOf(train, train.contract.fields.at(-1)?.name ?? "");
  switch (rule.kind) {
    case "iid":
      return partitionIid(train.size, workers, seed);
    case "shards":
      return partitionShards(labels(), { workers, shardsPerWorker: rule.shardsPerWorker, seed });
    case "dirichlet":
      return partitionDirichlet(labels(), { workers, alpha: rule.alpha, seed });
    case "sizes":
      return partitionDirichletSizes(train.size, { workers, alpha: rule.alpha, seed });
    case "key":
      return partitionByKey(numbersOf(train, rule.field), { workers, seed });
    default:
      return rule satisfies never;
  }
}

function numbersOf({ contract, columns, size }: Dataset, name: string): ArrayLike<number> {
  const place = contract.fields.findIndex((field) => field.name === name);
  const column = columns[place];
  if (column === undefined || column.length !== size) {
    const single = contract.fields.filter((_, i) => columns[i]?.length === size).map((field) => field.name);
    throw new JobError(
      `the data has no field ${name} of one number an example; ${single.length > 0 ? `use ${single.join(" or ")}` : "partition it iid or by sizes"}`,
    );
  }
  return column;
}

/** What is wrong with a rule whatever the data. */
export function partitionProblem(rule: PartitionRule): string | undefined {
  const positive = (value: number) => value > 0 && value < Infinity;
  switch (rule.kind) {
    case "shards": {
      const { shardsPerWorker } = rule;
      const fits = Number.isInteger(shardsPerWorker) && shardsPerWorker >= 1;
      return fits ? undefined : `partition is shards(${shardsPerWorker}); expected a whole number from 1`;
    }
    case "dirichlet":
      return positive(rule.alpha) ? undefined : `partition is dirichlet(${rule.alpha}); expected a number above 0`;
    case "sizes":
      return positive(rule.alpha) ? undefined : `partition is unequalSizes(${rule.alpha}); expected a number above 0`;
    case "iid":
    case "key":
      return undefined;
    default:
      rule satisfies never;
      return `partition is ${JSON.stringify(rule)}; expected iid(), shards(2), dirichlet(0.3), unequalSizes(0.5) or byKey("writer")`;
  }
}

const forms = "iid, shards:2, dirichlet:0.3, sizes:0.5 or key:FIELD";

/**
 * A rule as it is written on a command line.
 *
 * @throws {JobError} naming the forms there are
 */
export function parsePartition(text: string): PartitionRule {
  const [kind, value = ""] = text.split(":", 2);
  const number = Number(value);
  if (kind === "iid" && value === "") return iid();
  if (kind === "shards" && Number.isInteger(number) && number >= 1) return shards(number);
  if (kind === "dirichlet" && number > 0 && number < Infinity) return dirichlet(number);
  if (kind === "sizes" && number > 0 && number < Infinity) return unequalSizes(number);
  if (kind === "key" && value !== "") return byKey(value);
  throw new JobError(`partition ${text}: expected ${forms}`);
}
