/**
 * The house check: packages import only downward, as ARCHITECTURE.md draws them, and so do the folders of those with an order;
 * no import cycles; no reach into another package's `src`; no file past 400 lines. Reads imports as text and exits 1 with one
 * line per violation.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Allowed imports of each package; anything absent is forbidden. */
const directions: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  emitter: [],
  wasm: ["emitter", "tensor"],
  nn: ["tensor"],
  optim: ["tensor"],
  data: ["tensor"],
  vector: ["emitter"],
  protocol: ["vector"],
  transport: ["protocol"],
  aggregate: ["vector", "emitter"],
  coordinator: ["aggregate", "transport", "protocol", "vector", "optim", "tensor"],
  worker: ["tensor", "wasm", "optim", "data", "vector", "transport", "protocol"],
  simulator: ["coordinator", "worker", "wasm", "data", "transport", "protocol", "vector", "tensor"],
  weft: [
    "emitter",
    "tensor",
    "wasm",
    "nn",
    "optim",
    "data",
    "vector",
    "protocol",
    "transport",
    "aggregate",
    "coordinator",
    "worker",
    "simulator",
  ],
};
/**
 * The order of what lies in a package's `src`, from below: folders, and files beside them. Each imports only itself and what stands
 * before it, types included.
 */
const orders: Readonly<Record<string, readonly string[]>> = {
  coordinator: [
    "errors.ts",
    "round",
    "events.ts",
    "eventLog.ts",
    "outcome.ts",
    "disk.ts",
    "options.ts",
    "admission.ts",
    "codecs.ts",
    "model",
    "changes.ts",
    "uploads",
    "prepareJob.ts",
    "versions",
    "store",
    "session",
    "run",
    "coordinator.ts",
    "observe",
    "http",
    "startRun.ts",
    "host",
    "createCoordinator.ts",
    "index.ts",
  ],
};
const wallLines = 400;

const violations: string[] = [];
const files = globSync("packages/*/src/**/*.{ts,tsx}").map((file) => normalize(file));
const packageOf = (file: string) => file.split("/")[1] ?? "";
const graph = new Map<string, string[]>();

for (const file of files) {
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n").length - 1;
  if (lines > wallLines) violations.push(`${file}: ${lines} lines, the wall is ${wallLines}; divide it by idea`);
  const targets: string[] = [];
  for (const [, specifier = ""] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    if (specifier.startsWith(".")) targets.push(normalize(join(dirname(file), specifier)));
    else checkDirection(file, specifier);
  }
  for (const target of targets) {
    if (packageOf(target) !== packageOf(file))
      violations.push(`${file}: reaches into ${target}; import the package by name`);
    checkOrder(file, target);
    if (target.endsWith("src/index.ts")) violations.push(`${file}: imports its own index; import the file it needs`);
  }
  graph.set(file, targets);
}

function checkDirection(file: string, specifier: string): void {
  const name = specifier === "weft" ? "weft" : /^@weft\/([a-z]+)/.exec(specifier)?.[1];
  if (name === undefined) return;
  if (!(directions[packageOf(file)] ?? []).includes(name)) {
    violations.push(`${file}: ${packageOf(file)} may not import ${name}`);
  }
}

function checkOrder(file: string, target: string): void {
  const order = orders[packageOf(file)];
  if (order === undefined || packageOf(target) !== packageOf(file)) return;
  const [from, to] = [file, target].map((path) => path.split("/")[3] ?? "") as [string, string];
  const missing = [from, to].find((place) => !order.includes(place));
  if (missing !== undefined)
    violations.push(`${file}: ${missing} has no place in the order of its package; give it one`);
  else if (order.indexOf(to) > order.indexOf(from)) {
    violations.push(
      `${file}: ${from} may not import ${to}, which stands above it; move what is shared to where both may look`,
    );
  }
}

/** Depth-first search; a file met again while still open closes a cycle. */
const state = new Map<string, "open" | "done">();
function visit(file: string, path: readonly string[]): void {
  if (state.get(file) === "done") return;
  if (state.get(file) === "open") {
    violations.push(`import cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
    return;
  }
  state.set(file, "open");
  for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
  state.set(file, "done");
}
for (const file of files) visit(file, []);

for (const violation of violations) console.error(violation);
console.log(`house: ${files.length} files, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
