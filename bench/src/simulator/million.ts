/** The memory of a million registered workers: `weft simulate` as a process of its own, against its bound, and against a hundred. */
import { simulateCrowd } from "../../../test/support/simulatedMillion.ts";
import { threeDigits, type Figure } from "../figure.ts";

const workers = 1_000_000;
const boundBytes = 1e9;

export async function* million(): AsyncIterable<Figure> {
  const few = await simulateCrowd(100, 2);
  const many = await simulateCrowd(workers, 2);
  const text = ({ peakBytes, seconds }: typeof few) => `${(peakBytes / 1e6).toFixed(0)} MB, ${seconds.toFixed(1)} s`;
  process.stderr.write(`  a hundred workers: ${text(few)}; a million: ${text(many)}\n`);
  yield {
    name: "peak memory of the process that simulates a million workers, 100 a round",
    value: threeDigits(many.peakBytes / 1e6),
    unit: "MB",
    vs: "a bound of 1 GB",
    ratio: threeDigits(boundBytes / many.peakBytes),
  };
  yield {
    name: "memory of a registered worker that has nothing to do",
    value: threeDigits((many.peakBytes - few.peakBytes) / workers),
    unit: "bytes",
    vs: "a bound of 1 GB, less the process with a hundred workers",
    ratio: threeDigits((boundBytes - few.peakBytes) / (many.peakBytes - few.peakBytes)),
  };
}
