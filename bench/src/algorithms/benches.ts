/** The algorithms' reference results, each beside its paper's or beside FedAvg; choose by a filter, for the longest take an hour. */
import type { Bench, Figure } from "../figure.ts";
import { diloco } from "./diloco.ts";
import { fedAvg } from "./fedAvg.ts";
import { fedBuff } from "./fedBuff.ts";
import { fedNovaOnSkew, scaffoldOnSkew } from "./skew.ts";

const contests: Readonly<Record<string, (rounds: number | undefined) => AsyncIterable<Figure>>> = {
  "scaffold-skew": scaffoldOnSkew,
  "fednova-skew": fedNovaOnSkew,
  "fedavg-iid": () => fedAvg({ shards: false }),
  fedbuff: fedBuff,
  diloco: (rounds) => diloco({ steps: rounds ?? 1500 }),
  "fedavg-shards": () => fedAvg({ shards: true }),
};

/** `--rounds` sets the steps of DiLoCo. */
export const algorithms: Bench = async function* ({ filter, rounds }) {
  const figures: Figure[] = [];
  for (const [name, run] of Object.entries(contests)) {
    if (!name.includes(filter)) continue;
    process.stderr.write(`  ${name}\n`);
    for await (const figure of run(rounds)) {
      figures.push(figure);
      yield figure;
    }
  }
  for (const { name, value, unit, vs } of figures) {
    process.stderr.write(`  | ${name} | ${Number(value.toPrecision(4))} ${unit} | ${vs} |\n`);
  }
};
