/** Loads a job file: a TypeScript or JavaScript module whose default export is made by `defineJob`. */
import { existsSync, statSync } from "node:fs";
import nodeModule from "node:module";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WeftError } from "@weft/tensor";
import { JobError } from "../errors.ts";
import type { Job } from "../job/defineJob.ts";
import { isJob } from "../job/defineJob.ts";

export async function loadJob(path: string): Promise<Job> {
  const file = resolve(path);
  if (!existsSync(file))
    throw new JobError(`job file ${path}: no such file; give the path of a module that exports a job`);
  if (!statSync(file).isFile())
    throw new JobError(`job file ${path}: it is no file; give the path of a module that exports a job`);
  await enableTypeScript(file);
  let module: unknown;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (cause) {
    if (cause instanceof WeftError) throw cause;
    throw new JobError(`job file ${path} does not load: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  const job = (module as { default?: unknown }).default;
  if (!isJob(job)) throw new JobError(`job file ${path}: its default export must be made by defineJob({ … })`);
  return job;
}

/** When weft itself runs from source, a TypeScript loader is there already. */
async function enableTypeScript(file: string): Promise<void> {
  const fromSource = extname(fileURLToPath(import.meta.url)) === ".ts";
  if (!fromSource) {
    if (![".ts", ".tsx", ".mts"].includes(extname(file))) return;
    const { register } = await import("tsx/esm/api");
    register();
  }
  takeForModules();
}

let areModules = false;

/**
 * People's TypeScript files are modules, even where no package.json says so: read as CommonJS, a job would get packages of its
 * own beside those of this process, whose tensors are strangers here. It must come after the loader, whose word would count else.
 */
function takeForModules(): void {
  if (areModules) return;
  areModules = true;
  // Node has it from 22.15 on.
  const { registerHooks } = nodeModule as Partial<Pick<typeof nodeModule, "registerHooks">>;
  registerHooks?.({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const isTheirs = found.format?.startsWith("commonjs") === true && !found.url.includes("/node_modules/");
      return isTheirs && /\.tsx?(\?|$)/.test(found.url) ? { ...found, format: "module-typescript" } : found;
    },
  });
}
