/** What the README shows runs as printed. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let directory: string | undefined;

afterEach(async () => {
  if (directory !== undefined) await rm(directory, { recursive: true });
});

test("the README's program trains, evaluates and saves", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const [, program = ""] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(program).toContain('from "weft"');
  // Inside the repository, so that its packages are found.
  directory = await mkdtemp(join(root, "test", "readme-"));
  await writeFile(join(directory, "example.ts"), program);
  const { stdout } = await promisify(execFile)(
    join(root, "node_modules/.bin/node"),
    ["--conditions=weft-source", "--import", import.meta.resolve("tsx"), "example.ts"],
    { cwd: directory },
  );
  expect(stdout).toMatch(/round 50: loss \d/);
  expect(Number(/accuracy: ([\d.]+)/.exec(stdout)?.[1])).toBeGreaterThan(0.9);
  expect((await stat(join(directory, "digits.safetensors"))).size).toBeGreaterThan(4 * 4810);
});
