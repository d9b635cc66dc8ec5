/** Bundles the page's scripts on first demand, from the very packages this process runs. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const bundles = new Map<string, Promise<string>>();

/** @param name file of this folder, without its extension */
export function bundleScript(name: string): Promise<string> {
  const known = bundles.get(name) ?? bundle(name);
  bundles.set(name, known);
  return known;
}

async function bundle(name: string): Promise<string> {
  const extension = extname(fileURLToPath(import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`${name}${extension}`, import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    // Running from source, packages are found by their sources too.
    conditions: extension === ".ts" ? ["weft-source"] : [],
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
