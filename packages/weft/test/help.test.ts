/** What the command says of itself. */
import { afterEach, expect, test, vi } from "vitest";
import { weftCommand } from "../src/command/weftCommand.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

async function help(...command: string[]): Promise<string> {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  expect(await weftCommand([...command, "--help"])).toBe(0);
  write.mockRestore();
  return written.join("");
}

test("the help of every command fits 80 columns", async () => {
  const overview = await help();
  const names = [...overview.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name = ""]) => name);
  expect(names).toContain("simulate");
  const texts = [overview];
  for (const name of names) texts.push(await help(name));
  for (const line of texts.join("").split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
});
