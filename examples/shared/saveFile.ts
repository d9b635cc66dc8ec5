/** Where examples put what they make: a folder `runs` beside their code, which git ignores. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Writes `examples/NAME/runs/…` and says so. @param path such as `perceptron/errors.svg` */
export function saveFile(path: string, content: string | Uint8Array): void {
  const [example = "", ...rest] = path.split("/");
  const file = fileURLToPath(new URL(`../${example}/runs/${rest.join("/")}`, import.meta.url));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  console.log(`wrote ${relative(process.cwd(), file)}`);
}
