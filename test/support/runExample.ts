/** `npm run example -- …` as a real process, without npm around it. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const script = fileURLToPath(new URL("../../scripts/example.ts", import.meta.url));
const command = ["--conditions=weft-source", "--import", import.meta.resolve("tsx"), script];

/** What it printed on both streams, and how it ended. */
export function runExample(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(node, [...command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const take = (data: Buffer) => (output += data.toString());
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}
