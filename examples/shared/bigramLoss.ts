/** How well the token before predicts the next one: counts of pairs, the simplest language model (Shannon 1948). */
import type { Dataset } from "@weft/data";

/** Mean cross-entropy, in nats a token, on the test windows; every pair counts once more than it occurs. */
export function bigramLoss(train: Dataset, test: Dataset, vocabulary: number): number {
  const pairs = new Float64Array(vocabulary * vocabulary).fill(1);
  const placeOf = (before: number, next: number) => before * vocabulary + next;
  forEachPair(train, (before, next) => (pairs[placeOf(before, next)]! += 1));
  const totals = Array.from({ length: vocabulary }, (_, before) =>
    pairs.subarray(placeOf(before, 0), placeOf(before + 1, 0)).reduce((sum, count) => sum + count, 0),
  );
  let [loss, count] = [0, 0];
  forEachPair(test, (before, next) => {
    loss -= Math.log((pairs[placeOf(before, next)] ?? 1) / (totals[before] ?? 1));
    count++;
  });
  return loss / count;
}

function forEachPair({ columns: [tokens, next] }: Dataset, visit: (before: number, next: number) => void): void {
  tokens?.forEach((token, i) => visit(token, next?.[i] ?? 0));
}
