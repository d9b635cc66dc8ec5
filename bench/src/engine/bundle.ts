/** The children's scripts, bundled as for a browser, so that no loader counts as an engine's time or memory. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Below node_modules, where peers' packages are found from. */
const folder = fileURLToPath(new URL("../../../node_modules/.cache/weft-bench/", import.meta.url));

const commonJs = `import { createRequire as requireFrom } from "node:module";
const require = requireFrom(import.meta.url), __dirname = import.meta.dirname;`;

/** @param name of a folder here that has a main.ts */
export async function bundleChild(name: string): Promise<string> {
  await build({
    entryPoints: [fileURLToPath(new URL(`./${name}/main.ts`, import.meta.url))],
    outdir: `${folder}${name}`,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // What is imported late stays apart, so that the time to load it can be told.
    splitting: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node22",
    conditions: ["weft-source"],
    // Of TensorFlow.js only the modules have the gradients; in Node they look for what CommonJS has.
    mainFields: ["module", "main"],
    banner: { js: commonJs },
    external: ["koffi"],
    logLevel: "error",
  });
  return `${folder}${name}/main.mjs`;
}
