/** What a source made from a user's files tests with: a share of the examples, or files of their own. */
import type { Dataset } from "../contract.ts";
import { splitDataset } from "../split.ts";

/** A share above 0 and below 1, or a path. */
export type HeldOut = number | string;

/** @param load reads another path by the contract of the first */
export async function withTest(
  whole: Dataset,
  { test = 0.2, seed = 0 }: { readonly test?: HeldOut; readonly seed?: number },
  load: (path: string) => Promise<Dataset>,
): Promise<{ train: Dataset; test: Dataset }> {
  if (typeof test === "number") return splitDataset(whole, { test, seed });
  return { train: whole, test: await load(test) };
}
