/** Coordinators on disks that are full or turn read-only, as real processes on real file systems. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess, killAll } from "../support/weftProcess.ts";

const directory = useDirectory();

const job = "test/jobs/digits.ts";
const joining = (url: unknown) => new WeftProcess(["join", String(url), "--json"]);

/** A command that ends by itself: its exit code and what it printed. */
async function weft(...args: string[]) {
  const command = new WeftProcess(args);
  const code = await command.exited;
  return { code, text: command.text };
}

/** Room for a whole run of the digits, and some. */
const smallBytes = 16 * 2 ** 20;

/** Whether this user may mount a small file system, and did. */
function mountSmall(at: string): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${smallBytes}`, "tmpfs", at]).status === 0;
}

test("on a disk that is full a run waits, shows it, and ends well once there is room", async ({ skip }) => {
  const small = join(directory(), "small");
  await mkdir(small);
  if (!mountSmall(small)) skip("mounting a small file system needs leave that this user does not have");
  try {
    const coordinator = new WeftProcess(["serve", job, "--port", "0", "--runs", small, "--json"]);
    const { url, run } = await coordinator.untilEvent("listening");
    const worker = joining(url);
    await coordinator.until(({ event, round }) => event === "round" && Number(round) > 5);
    const filler = join(small, "filler");
    await writeFile(filler, new Uint8Array(smallBytes)).catch(() => undefined);
    const waiting = await coordinator.untilEvent("waitingForDisk");
    expect(String(waiting["reason"])).toMatch(/the disk is full; make room/);
    const listed = await weft("runs", "--runs", small);
    expect(listed.text).toMatch(new RegExp(`^${String(run)} .* waiting .*\n +.*the disk is full`, "m"));
    await rm(filler);
    await coordinator.untilEvent("diskIsBack");
    expect(await coordinator.exited).toBe(0);
    expect(await worker.exited).toBe(0);
    expect(await coordinator.untilEvent("finished")).toMatchObject({ reason: "rounds", rounds: 400 });
    expect((await weft("eval", String(run), "--runs", small)).code).toBe(0);
  } finally {
    await killAll();
    execFileSync("umount", [small]);
  }
});

const withoutMounts = "mounting a read-only view of a directory needs leave that this user does not have";

/** Whether this user may lay a read-only view of a directory over it, and did. */
function freeze(at: string): boolean {
  if (spawnSync("mount", ["--bind", at, at]).status !== 0) return false;
  return spawnSync("mount", ["-o", "remount,ro,bind", at]).status === 0;
}

test("on a directory that turns read-only versions wait, and so does the end, until it is writable again", async ({
  skip,
}) => {
  const runs = join(directory(), "runs");
  const coordinator = new WeftProcess(["serve", job, "--port", "0", "--runs", runs, "--json"]);
  const { url, run } = await coordinator.untilEvent("listening");
  const worker = joining(url);
  await coordinator.until(({ event, round }) => event === "round" && Number(round) > 5);
  if (!freeze(runs)) skip(withoutMounts);
  try {
    const postponed = await coordinator.untilEvent("checkpointPostponed");
    expect(String(postponed["reason"])).toMatch(/the file system is read-only; make it writable/);
    const waiting = await coordinator.untilEvent("waitingForDisk");
    expect(String(waiting["reason"])).toMatch(/the file system is read-only/);
  } finally {
    execFileSync("umount", [runs]);
  }
  await coordinator.untilEvent("diskIsBack");
  expect(await coordinator.exited).toBe(0);
  expect(await worker.exited).toBe(0);
  expect(await coordinator.untilEvent("finished")).toMatchObject({ reason: "rounds", rounds: 400 });
  expect((await weft("eval", String(run), "--runs", runs)).code).toBe(0);
});

test("on a directory that is read-only from the start a run does not begin, and says why in one line", async ({
  skip,
}) => {
  const runs = join(directory(), "runs");
  await mkdir(runs);
  if (!freeze(runs)) skip(withoutMounts);
  try {
    const { code, text } = await weft("serve", job, "--port", "0", "--runs", runs);
    expect(code).toBe(7);
    expect(text).toMatch(
      /^weft: .*the file system is read-only; make it writable, or choose another runs directory\n$/m,
    );
  } finally {
    execFileSync("umount", [runs]);
  }
});
