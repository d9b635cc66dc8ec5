/** `npm run example`: lists the examples, or runs one of them; what follows its name goes to it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../examples/", import.meta.url);
const mainOf = (name: string) => new URL(`${name}/main.ts`, folder);
const hasMain = (name: string) => existsSync(mainOf(name));
const isJob = (name: string) => !hasMain(name) && existsSync(new URL(`${name}/job.ts`, folder));

/** The heading of its README. */
function summaryOf(name: string): string {
  return /^# (.*)/.exec(readFileSync(new URL(`${name}/README.md`, folder), "utf8"))?.[1] ?? "";
}

const names = readdirSync(folder);
const programs = names.filter(hasMain);
const [name, ...rest] = process.argv.slice(2);
if (name === undefined) {
  const width = Math.max(...names.map(({ length }) => length));
  const list = (some: readonly string[]) => some.map((each) => `  ${each.padEnd(width)}  ${summaryOf(each)}`);
  console.log(["npm run example -- NAME", ...list(programs)].join("\n"));
  console.log(["npm run weft -- train examples/NAME/job.ts", ...list(names.filter(isJob))].join("\n"));
} else if (programs.includes(name)) {
  process.argv = [process.argv[0] ?? "node", fileURLToPath(mainOf(name)), ...rest];
  await import(mainOf(name).href);
} else {
  console.error(`no example ${name}; expected one of ${programs.join(", ")}`);
  process.exitCode = 2;
}
