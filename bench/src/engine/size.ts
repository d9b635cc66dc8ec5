/** What a browser has to load: tensor, wasm, nn and optim in one minified file, gzipped. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { BenchOptions, Figure } from "../figure.ts";
import { threeDigits } from "../figure.ts";

const limitKilobytes = 90;
const entries = ["tensor", "wasm", "nn", "optim"];
const furtherEntries = [
  ...["tensor/perExample", "tensor/programs", "tensor/reference", "nn/ctc", "nn/saving", "nn/streaming", "nn/summary"],
  ...["tensor/jvp", "nn/mixedPrecision", "optim/createOptimizer", "optim/lbfgs", "optim/lossScaling"],
];

export async function* engineSize({ filter }: BenchOptions): AsyncIterable<Figure> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const trains = await gzippedKilobytes({ entryPoints: [`${folder}browser.ts`] });
  const jax = await gzippedKilobytes({ stdin: { contents: `export * from "@jax-js/jax"`, resolveDir: folder } });
  const whole = await gzippedKilobytes({ stdin: { contents: exportsOf(entries), resolveDir: folder } });
  const every = await gzippedKilobytes({
    stdin: { contents: exportsOf([...entries, ...furtherEntries]), resolveDir: folder },
  });
  const limit = `a limit of ${limitKilobytes} KB`;
  const figures = [
    { name: "browser bundle that trains a network", value: trains, vs: limit, ratio: limitKilobytes / trains },
    { name: "browser bundle of all main exports", value: whole, vs: limit, ratio: limitKilobytes / whole },
    { name: "browser bundle of all main exports", value: whole, vs: "all of jax-js", ratio: jax / whole },
    { name: "browser bundle of subpath exports as well", value: every, vs: "all of jax-js", ratio: jax / every },
  ];
  for (const { name, value, vs, ratio } of figures) {
    if (!name.includes(filter)) continue;
    yield { name, value: threeDigits(value), unit: "KB", vs, ratio: threeDigits(ratio) };
  }
}

/** Everything that these exports hold. */
const exportsOf = (paths: readonly string[]) =>
  paths.map((path) => `export * as ${path.replace("/", "_")} from "@weft/${path}";`).join("");

async function gzippedKilobytes(entry: Parameters<typeof build>[0]): Promise<number> {
  const { outputFiles } = await build({
    ...entry,
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["weft-source"],
  });
  return outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0) / 1000;
}
