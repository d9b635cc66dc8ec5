/** What is written for those who look from outside, read back by readers made from the formats' descriptions. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createTimeline, writeEventFile, writeRoundLines } from "../src/index.ts";
import { AppendedFile } from "../src/observe/appendedFile.ts";
import { crc32c } from "../src/observe/eventFile.ts";
import { Registry } from "../src/observe/registry.ts";
import { makeJob, startRun, until } from "./harness.ts";

const root = mkdtempSync(join(tmpdir(), "weft-observe-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

const job = makeJob({ size: 4, stop: { rounds: 3 } });

/** The checksum as RFC 3720 defines it: division of polynomials, bit by bit. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >>> bit)) & 1;
      crc = (crc >>> 1) ^ (odd === 1 ? 0x82f63b78 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = BigInt(slowCrc32c(bytes));
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** Payloads of TFRecords; fails where a checksum does. */
function tfRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

type Field = readonly [number: number, value: number | Buffer];

/** The fields of a message in Protocol Buffers' wire format. */
function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (; message[at]! >= 128; at++) {
      value += (message[at]! - 128) * scale;
      scale *= 128;
    }
    return value + message[at++]! * scale;
  };
  while (at < message.length) {
    const key = varint();
    const number = key >>> 3;
    if ((key & 7) === 0) found.push([number, varint()]);
    else if ((key & 7) === 1) found.push([number, message.readDoubleLE((at += 8) - 8)]);
    else if ((key & 7) === 5) found.push([number, message.readFloatLE((at += 4) - 4)]);
    else {
      const length = varint();
      found.push([number, message.subarray(at, (at += length))]);
    }
  }
  return found;
}

/** Step and scalars of an event. */
function scalarsOf(event: Buffer): [step: number, scalars: Record<string, number>] {
  const all = fields(event);
  const step = all.find(([number]) => number === 2)?.[1] as number;
  const summary = all.find(([number]) => number === 5)?.[1] as Buffer | undefined;
  const values = summary === undefined ? [] : fields(summary).map(([, value]) => fields(value as Buffer));
  return [step, Object.fromEntries(values.map(([tag, value]) => [String(tag![1]), value![1] as number]))];
}

describe("TensorBoard's event files", () => {
  it("hold the run's rounds and evaluations as scalars, every record under its checksums", async () => {
    const directory = freshDirectory();
    const run = await startRun({ job, evaluate: () => Promise.resolve({ accuracy: 0.75 }) });
    const stop = writeEventFile(run.coordinator, directory);
    run.join();
    await run.coordinator.finished;
    stop();
    const [name = ""] = readdirSync(directory);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    const [head, ...events] = tfRecords(readFileSync(join(directory, name)));
    expect(fields(head!).map(([number, value]) => (number === 3 ? String(value) : number))).toEqual([
      1,
      2,
      "brain.Event:2",
    ]);
    const wallTime = fields(head!)[0]![1] as number;
    expect(Math.abs(wallTime - Date.now() / 1000)).toBeLessThan(60);
    const written = events.map(scalarsOf);
    expect(written.map(([step]) => step)).toEqual([1, 2, 3, 3]);
    const rounds = run.of("round");
    for (const [index, [, scalars]] of written.slice(0, 3).entries()) {
      const { loss, metrics, bytesUp, ms, workers } = rounds[index]!;
      expect(scalars["train/loss"]).toBe(Math.fround(loss));
      expect(scalars["train/accuracy"]).toBe(Math.fround(metrics["accuracy"]!));
      expect(scalars).toMatchObject({ "bytes/up": bytesUp, "round/workers": workers });
      expect(scalars["round/seconds"]).toBeCloseTo(ms / 1000, 6);
    }
    expect(written[3]).toEqual([3, { "test/accuracy": 0.75 }]);
  });

  it("the checksum is CRC-32C, by the vectors of RFC 3720", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(slowCrc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  });
});

describe("a timeline", () => {
  it("has a span for every round, commit, order and upload, none open, on threads with names", async () => {
    const path = join(freshDirectory(), "trace.json");
    const timeline = createTimeline(path);
    const track = timeline.track();
    const run = await startRun({ job, run: { decide: track.decide, expectedWorkers: 2 } });
    track.begin(run.coordinator);
    const workers = [run.join(), run.join()];
    await run.coordinator.finished;
    timeline.close();
    const entries = JSON.parse(readFileSync(path, "utf8")) as {
      name: string;
      ph: string;
      pid: number;
      tid: number;
      ts: number;
      dur: number;
      args: Record<string, unknown>;
    }[];
    const spans = entries.filter(({ ph }) => ph === "X");
    const names = (tid: number) => spans.filter((span) => span.tid === tid).map(({ name }) => name);
    expect(names(0)).toEqual(["round 1", "commit 1", "round 2", "commit 2", "round 3", "commit 3"]);
    for (const tid of [1, 2]) {
      expect(names(tid)).toEqual(["work 1", "upload 1", "work 2", "upload 2", "work 3", "upload 3"]);
    }
    for (const { ts, dur, pid } of spans) expect([ts >= 0, dur >= 0, pid]).toEqual([true, true, 1]);
    for (const thread of [0, 1, 2]) {
      const here = spans.filter(({ tid }) => tid === thread);
      // One that reached into the next would be drawn below it, or be dropped.
      for (const [i, { ts }] of here.slice(1).entries()) expect(ts - here[i]!.ts).toBeGreaterThanOrEqual(here[i]!.dur);
    }
    expect(spans.find(({ name }) => name === "round 2")?.args).toMatchObject({ updates: 2, cohort: 2 });
    expect(spans.find(({ name }) => name === "upload 2")?.args).toMatchObject({ outcome: "arrived" });
    const threads = entries.filter(({ name }) => name === "thread_name").map(({ args }) => args["name"]);
    expect(threads.sort()).toEqual(["rounds", ...workers.map(({ worker }) => `fake ${worker}`)].sort());
  });
});

describe("lines of rounds", () => {
  it("hold each round once over restarts, though the last line was cut short and one is missing", async () => {
    const directory = freshDirectory();
    const store = { directory };
    const first = await startRun({ job: makeJob({ size: 4, stop: { rounds: 6 } }), store });
    const path = join(first.coordinator.directory!, "rounds.jsonl");
    const stop = writeRoundLines(first.coordinator, path, "own");
    const worker = first.join();
    await until(() => first.of("round").length >= 3);
    await first.coordinator.abort();
    stop();
    const before = readFileSync(path, "utf8").trimEnd().split("\n");
    rmSync(path);
    appendFileSync(path, `${before[0]}\n${before[2]}\n${before[0]!.slice(0, 40)}`);
    const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
    const stopSecond = writeRoundLines(second.coordinator, path, "own");
    second.join({ resume: worker.resume });
    await second.coordinator.finished;
    stopSecond();
    const text = readFileSync(path, "utf8").trimEnd().split("\n");
    const lines = text.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ round }) => round)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(text[0]).toBe(before[0]);
    expect(lines[1]).toMatchObject({ run: first.coordinator.run, job: "test", loss: 2, updates: 1 });
    expect(lines[5]).toMatchObject({ run: first.coordinator.run, version: 6, workers: 1 });
    expect(new Date(String(lines[5]!["time"])).getTime()).toBeGreaterThan(0);
  });
});

describe("metrics", () => {
  it("of a histogram are cumulative, and labels are escaped", () => {
    const registry = new Registry();
    const seconds = registry.histogram("seconds", "How long.", [1, 2]);
    for (const value of [0.5, 1, 1.5, 7]) seconds.observe(value, { job: 'a "b"\n\\c' });
    registry.counter("silent", "Nothing yet.");
    const labels = 'job="a \\"b\\"\\n\\\\c"';
    expect(registry.text()).toBe(
      [
        "# HELP seconds How long.",
        "# TYPE seconds histogram",
        `seconds_bucket{${labels},le="1"} 2`,
        `seconds_bucket{${labels},le="2"} 3`,
        `seconds_bucket{${labels},le="+Inf"} 4`,
        `seconds_sum{${labels}} 10`,
        `seconds_count{${labels}} 4`,
        "",
      ].join("\n"),
    );
    expect(() => registry.counter("silent", "Again.")).toThrow(/is there already/);
  });
});

it("a file that cannot be written is an error before the run, and a disk that fills up later ends nothing", () => {
  const file = join(root, "file");
  appendFileSync(file, "");
  expect(() => new AppendedFile(join(file, "below"))).toThrow(/cannot be written/);
  const full = new AppendedFile("/dev/full");
  for (let i = 0; i < 100; i++) full.append("x".repeat(100_000));
  full.close();
});
