/** Job files as people have them: in folders of their own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("a job in a folder whose package.json says nothing of modules trains all the same", () => {
  const directory = mkdtempSync(join(tmpdir(), "weft-"));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  const job = join(directory, "job.ts");
  writeFileSync(
    job,
    `import { dataParallel, defineJob } from "weft";
import { digits } from "@weft/data";
import { dense, flatten, sequential, softmaxCrossEntropy } from "@weft/nn";
import { sgd } from "@weft/optim";
export default defineJob({
  name: "mine",
  data: digits(),
  model: sequential(flatten, dense({ features: 10 })),
  loss: softmaxCrossEntropy,
  round: dataParallel({ batchSize: 8, optimizer: sgd({ learningRate: 0.1 }) }),
  stop: { rounds: 2 },
});
`,
  );
  const main = join(root, "packages/weft/src/main.ts");
  const command = [
    "--conditions=weft-source",
    "--import",
    import.meta.resolve("tsx"),
    main,
    "fit",
    job,
    "--steps",
    "2",
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: directory, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/finished \(steps\) after 2 steps/);
  expect(status).toBe(0);
}, 30_000);
