/** What people and programs read while something runs. */
import type { CoordinatorEvent } from "@weft/coordinator";
import { describe, expect, test } from "vitest";
import { bytes, count, duration, figure, metric } from "../src/terminal/format.ts";
import type { OutputStream } from "../src/terminal/output.ts";
import { createOutput, fit } from "../src/terminal/output.ts";
import { runProgress } from "../src/command/runProgress.ts";
import { quorumNote } from "../src/command/steer.ts";
import { wrapped } from "../src/terminal/wrapped.ts";

function stream(changes: Partial<OutputStream> = {}) {
  const written: string[] = [];
  return { written, stream: { write: (text: string) => written.push(text), ...changes } };
}

const round = (changes: object = {}) =>
  ({
    event: "round",
    round: 412,
    version: 412,
    totalRounds: 937,
    loss: 0.0913,
    metrics: { accuracy: 0.972 },
    examples: 64,
    examplesPerSecond: 3480,
    updates: 2,
    cohort: 2,
    workers: 2,
    bytesUp: 1.1e9,
    bytesDown: 1.1e9,
    traffic: [],
    ms: 17,
    ...changes,
  }) as const;

test("the end says how many bytes it took, and for what", () => {
  const { written, stream: to } = stream({});
  runProgress(createOutput({ json: false, stream: to }))({
    event: "finished",
    reason: "target",
    detail: "accuracy reached 0.97",
    metrics: { accuracy: 0.9703 },
    rounds: 49,
    version: 49,
    path: undefined,
    traffic: [
      { kind: "weights", codec: "int4", bytesUp: 0, bytesDown: 51_900_000 },
      { kind: "update", codec: "int2", bytesUp: 25_900_000, bytesDown: 0 },
      { kind: "link", codec: "", bytesUp: 100_000, bytesDown: 90_000 },
    ],
  });
  expect(written.join("")).toBe(
    [
      "finished (target) after 49 rounds: training accuracy 97.0 %",
      "  bytes in all               ↑ 26 MB    ↓ 52 MB",
      "  weights int4               ↑ 0 B      ↓ 52 MB",
      "  update int2                ↑ 26 MB    ↓ 0 B",
      "  link                       ↑ 100 kB   ↓ 90 kB",
      "",
    ].join("\n"),
  );
});

describe("the end says what an accuracy took", () => {
  const evaluated = (version: number, accuracy: number) =>
    ({
      event: "evaluated",
      ...{ round: version, version, metrics: { loss: 0.1, accuracy } },
      ...{ bytesUp: version * 1e6, bytesDown: version * 2e6 },
    }) as const;
  const finished = {
    event: "finished",
    reason: "rounds",
    detail: "",
    ...{ metrics: {}, rounds: 9, version: 9, path: undefined },
    traffic: [{ kind: "update", codec: "f32", bytesUp: 9e6, bytesDown: 18e6 }],
  } as const;
  const reached = (events: readonly Parameters<ReturnType<typeof runProgress>>[0][]) => {
    const { written, stream: to } = stream({});
    const show = runProgress(createOutput({ json: false, stream: to }));
    for (const event of [...events, finished]) show(event);
    return written
      .join("")
      .split("\n")
      .filter((line) => line.startsWith("  accuracy"));
  };

  test("the first time it was measured, the last three levels", () => {
    const accuracies = [0.3, 0.55, 0.93, 0.94, 0.955, 0.949, 0.975, 0.972];
    expect(reached(accuracies.map((accuracy, i) => evaluated(i + 1, accuracy)))).toEqual([
      "  accuracy 90.0 %, round 3   ↑ 3.0 MB   ↓ 6.0 MB",
      "  accuracy 95.0 %, round 5   ↑ 5.0 MB   ↓ 10 MB",
      "  accuracy 97.0 %, round 7   ↑ 7.0 MB   ↓ 14 MB",
    ]);
  });

  test("and on what the last version was measured", () => {
    const { written, stream: to } = stream({});
    const show = runProgress(createOutput({ json: false, stream: to }));
    const ending = (workers?: number) => {
      show({ ...evaluated(9, 0.5), ...(workers === undefined ? {} : { workers }) });
      show({ ...finished, metrics: { accuracy: 0.5 } });
    };
    ending();
    ending(12);
    const ends = written.join("").match(/finished .*/g);
    expect(ends).toEqual([
      "finished (rounds) after 9 rounds: test accuracy 50.0 %",
      "finished (rounds) after 9 rounds: on 12 workers accuracy 50.0 %",
    ]);
  });

  test("and of a run that was over when it was resumed claims no training that it did not see", () => {
    const { written, stream: to } = stream({});
    const show = runProgress(createOutput({ json: false, stream: to }));
    show({ event: "recovered", run: "r", version: 9, checkpoint: 9, warnings: [] });
    show({ ...finished, metrics: { accuracy: 0.5 } });
    expect(written.join("")).toMatch(/after 9 rounds: accuracy 50\.0 %/);
  });

  test("but nothing of levels that were reached before a restart", () => {
    const recovered = { event: "recovered", run: "r", version: 5, checkpoint: 5, warnings: [] } as const;
    expect(reached([recovered, evaluated(6, 0.96), evaluated(7, 0.98)])).toEqual([
      "  accuracy 98.0 %, round 7   ↑ 7.0 MB   ↓ 14 MB",
    ]);
  });
});

describe("rounds that close with fewer updates than asked for", () => {
  const short = (round: number, changes: Partial<Extract<CoordinatorEvent, { event: "closedShort" }>> = {}) =>
    ({
      event: "closedShort",
      ...{ round, attempt: 0, updates: 3, asked: 5, reason: "its cohort was of 3 workers" },
      cause: "cohort",
      ...changes,
    }) as const;

  test("are told of once while the cause stays, and again when it was otherwise in between", () => {
    const { written, stream: to } = stream({});
    const show = runProgress(createOutput({ json: false, stream: to }));
    const departures = { cause: "departures" as const, updates: 2, reason: "1 of 3 invited have left" };
    for (const event of [short(4), short(5), short(6), short(7, departures), short(9, departures)]) show(event);
    expect(written.join("").trimEnd().split("\n")).toEqual([
      "round 4 closes with 3 of the 5 updates asked for: its cohort was of 3 workers",
      "round 7 closes with 2 of the 5 updates asked for: 1 of 3 invited have left",
      "round 9 closes with 2 of the 5 updates asked for: 1 of 3 invited have left",
    ]);
  });

  test("are announced to whoever sets such a quorum, and to nobody else", () => {
    const set = (quorum: object, workers: number) => quorumNote({ changes: { quorum } as never, workers });
    expect(set({ count: 5 }, 3)).toMatch(/^quorum=5: there are 3 workers now; until there are more, a round closes/);
    expect([set({ count: 3 }, 3), set({ fraction: 1 }, 0)]).toEqual([undefined, undefined]);
    expect(quorumNote({ changes: {}, workers: 0 })).toBeUndefined();
  });
});

describe("a live line", () => {
  test("on a wide terminal shows everything", () => {
    const { written, stream: to } = stream({ isTTY: true, columns: 120 });
    runProgress(createOutput({ json: false, stream: to }))(round());
    expect(written.join("")).toContain(
      "round 412/937  loss 0.0913  accuracy 97.2 %  3,480 examples/s  2 workers  ↑ 1.1 GB ↓ 1.1 GB  eta 0:09",
    );
  });

  test("never passes the width of the terminal, and drops the least important first", () => {
    for (const columns of [10, 30, 50, 80, 0]) {
      const { written, stream: to } = stream({ isTTY: true, columns });
      runProgress(createOutput({ json: false, stream: to }))(round());
      const line = written.join("").replace(/\r|\u001b\[K/g, "");
      expect(line.length).toBeLessThan(columns === 0 ? 80 : columns);
      expect(line).toMatch(/^round 412/);
    }
    expect(
      fit(
        [
          { text: "a".repeat(30), rank: 0 },
          { text: "b", rank: 1 },
        ],
        20,
      ),
    ).toBe("a".repeat(20));
  });

  test("gives way to a line that stays", () => {
    const { written, stream: to } = stream({ isTTY: true, columns: 80 });
    const output = createOutput({ json: false, stream: to });
    output.progress([{ text: "moving", rank: 0 }]);
    output.line("staying");
    expect(written.at(-1)).toBe("\r\u001b[Kstaying\n");
  });
});

test("in a pipe progress is a plain line every two seconds", () => {
  let nowMs = 0;
  const { written, stream: to } = stream();
  const output = createOutput({ json: false, stream: to, nowMs: () => nowMs });
  for (; nowMs <= 5000; nowMs += 100) output.progress([{ text: String(nowMs), rank: 0 }]);
  expect(written).toEqual(["0\n", "2000\n", "4000\n"]);
});

test("for programs every event is one JSON line and nothing else is written", () => {
  const { written, stream: to } = stream({ isTTY: true, columns: 80 });
  const output = createOutput({ json: true, stream: to });
  runProgress(output)(round({ loss: NaN }));
  output.line("words");
  expect(written.length).toBe(1);
  expect(JSON.parse(written[0]!)).toMatchObject({ event: "round", round: 412, loss: null });
});

test("figures read as people write them", () => {
  expect([count(1234567), bytes(999), bytes(1_100_000_000), bytes(12_345_678)]).toEqual([
    "1,234,567",
    "999 B",
    "1.1 GB",
    "12 MB",
  ]);
  expect([duration(9), duration(75), duration(3671)]).toEqual(["0:09", "1:15", "1:01:11"]);
  expect([figure(0.09132), figure(1e-7), figure(NaN)]).toEqual(["0.0913", "1.00e-7", "NaN"]);
  expect(metric("accuracy", 0.9721)).toBe("accuracy 97.2 %");
});

describe("a line that is longer than the terminal is wide", () => {
  const path = `runs/${"long/".repeat(30)}version-000007.safetensors`;

  test("is broken at spaces, and a path stays whole on a line of its own", () => {
    expect(wrapped(`finished (rounds) after 7 rounds: test accuracy 97.5 % · ${path}\n  up 3`, 80)).toBe(
      `finished (rounds) after 7 rounds: test accuracy 97.5 %\n  ${path}\n  up 3`,
    );
    expect(wrapped("worker vm joined (cpu (wasm, OpenBLAS 0.3.21 (Haswell)), 2 of 2 cores) · 1 connected", 80)).toBe(
      "worker vm joined (cpu (wasm, OpenBLAS 0.3.21 (Haswell)), 2 of 2 cores)\n  1 connected",
    );
    const warning = wrapped(`${path}: its checksum is wrong; ${"going on from the version before, ".repeat(4)}`, 80);
    for (const line of warning.split("\n")) expect(line.length <= 80 || line.trim() === `${path}:`).toBe(true);
    expect(warning.replace(/\s+/g, " ").trim()).toContain(`${path}: its checksum is wrong; going on`);
  });

  test("loses no word, keeps its columns where it fits, and is left alone in a pipe", () => {
    const text = `  table   of    columns\n${"word ".repeat(40).trim()}`;
    expect(wrapped(text, 80).split(/\s+/)).toEqual(text.split(/\s+/));
    expect(wrapped(text, 80)).toMatch(/^ {2}table {3}of {4}columns\n/);
    const { written, stream: to } = stream();
    createOutput({ json: false, stream: to }).line(text);
    expect(written).toEqual([`${text}\n`]);
  });
});
