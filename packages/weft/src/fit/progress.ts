/** Shows a fit: a live line while an epoch runs, a line that stays when it is done, or events for programs. */
import { count, duration, figure, metric } from "../terminal/format.ts";
import type { Output } from "../terminal/output.ts";
import type { BatchRecord, Callback, EpochRecord, FitControl } from "./callback.ts";

/** The live line is drawn at most this often. */
const drawEveryMs = 100;
/** Where there are more epochs than this, their lines are thinned: one every two seconds, and the last one. */
const manyEpochs = 50;
const thinnedMs = 2000;

export function fitProgress(output: Output, options: { nowMs?: () => number } = {}): Callback {
  const { nowMs = () => performance.now() } = options;
  let startedAt = 0;
  let drawnAt = 0;
  let lineAt = -Infinity;
  let examples = 0;
  let unshown: string | undefined;
  return {
    onStart() {
      startedAt = drawnAt = nowMs();
      lineAt = -Infinity;
      examples = 0;
      unshown = undefined;
    },
    onBatch(batch, control) {
      examples += batch.examples;
      if (nowMs() - drawnAt < drawEveryMs) return;
      drawnAt = nowMs();
      const seconds = (nowMs() - startedAt) / 1000;
      output.progress(segments(batch, control, { seconds, examplesPerSecond: examples / seconds }));
    },
    onEpoch(record, { totalEpochs }) {
      output.event({ event: "epoch", ...record });
      const text = epochText(record, totalEpochs);
      unshown = text;
      if ((totalEpochs ?? Infinity) > manyEpochs && nowMs() - lineAt < thinnedMs) return;
      lineAt = nowMs();
      output.line(text);
      unshown = undefined;
    },
    onEnd() {
      if (unshown !== undefined) output.line(unshown);
    },
  };
}

function segments(
  batch: BatchRecord,
  { totalSteps, totalEpochs }: FitControl,
  { seconds, examplesPerSecond }: { seconds: number; examplesPerSecond: number },
) {
  const left = totalSteps === undefined ? undefined : ((totalSteps - batch.step) * seconds) / batch.step;
  const { loss = NaN, ...metrics } = batch.means;
  return [
    { rank: 0, text: epochLabel(batch.epoch, totalEpochs) },
    { rank: 1, text: `batch ${batch.batch}${batch.batches === undefined ? "" : `/${batch.batches}`}` },
    { rank: 2, text: `loss ${figure(loss)}` },
    ...Object.entries(metrics).map(([name, value]) => ({ rank: 3, text: metric(name, value) })),
    { rank: 5, text: `${count(examplesPerSecond)} examples/s` },
    ...(left === undefined ? [] : [{ rank: 4, text: `eta ${duration(left)}` }]),
  ];
}

function epochText(
  { epoch, loss, metrics, validation, seconds }: EpochRecord,
  totalEpochs: number | undefined,
): string {
  const trained = Object.entries({ loss, ...metrics }).map(([name, value]) => metric(name, value));
  const held = Object.entries(validation ?? {}).map(([name, value]) => metric(name, value));
  return [
    epochLabel(epoch, totalEpochs),
    trained.join(", "),
    ...(held.length > 0 ? [`validation ${held.join(", ")}`] : []),
    `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`,
  ].join("  ");
}

const epochLabel = (epoch: number, total: number | undefined) =>
  `epoch ${epoch}${total === undefined ? "" : `/${total}`}`;
