/** From nothing to an engine that can compute, in fresh processes, turn and turn about. */
import type { BenchOptions, Figure } from "../figure.ts";
import { median, threeDigits } from "../figure.ts";
import type { Setting } from "./contestant.ts";
import { Contestant } from "./contestant.ts";
import { ownProduct, settingsFor } from "./settings.ts";

const usualRounds = 7;

export async function* engineImport({ filter, rounds = usualRounds }: BenchOptions): AsyncIterable<Figure> {
  if (!"import".includes(filter)) return;
  const settings = new Map<string, Setting>();
  for (const setting of await settingsFor("elementwise")) {
    if (!settings.has(setting.product)) settings.set(setting.product, setting);
  }
  const times = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const setting of settings.values()) {
      try {
        const contestant = await Contestant.start(setting);
        const known = times.get(contestant.name);
        if (known) known.push(contestant.importMs);
        else times.set(contestant.name, [contestant.importMs]);
        contestant.close();
      } catch {
        if (round === 0) process.stderr.write(`  ${setting.product} is not there\n`);
      }
    }
  }
  const [own, ...peers] = [...times];
  if (!own?.[0].startsWith(ownProduct)) throw new Error("our own engine does not start");
  for (const [vs, theirs] of peers) {
    const ratio = median(own[1].map((ms, round) => theirs[round]! / ms));
    yield { name: "import", value: threeDigits(median(own[1])), unit: "ms", vs, ratio: threeDigits(ratio) };
  }
}
