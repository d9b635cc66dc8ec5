/** Metrics over batches of any size against vectors/metrics.json, made with scikit-learn 1.2.1. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { ShapeError, tensor, zeros } from "@weft/tensor";
import type { StreamingMetric } from "@weft/nn/streaming";
import { ModelError, accuracy, topKAccuracy } from "@weft/nn";
import * as streaming from "@weft/nn/streaming";

interface Shaped {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
type Numbers = readonly number[] | Shaped;

interface Case {
  readonly name: string;
  readonly metric: "classification" | "logits" | "roc_auc" | "perplexity" | "regression" | "probabilities";
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly args: { readonly classes?: number; readonly bins?: number };
  readonly expected: Readonly<Record<string, unknown>>;
}

const file = new URL("vectors/metrics.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

const floats = ["scores", "logits"];
function inputOf({ inputs, metric }: Case, name: string): Tensor | undefined {
  const values = inputs[name];
  if (!values) return undefined;
  const { data, shape } = "data" in values ? values : { data: values, shape: [values.length] };
  return tensor(data, { shape, dtype: floats.includes(name) || metric === "regression" ? "f64" : "i32" });
}

/** What the metric gives for the whole, after checking that it gives the same in batches. */
async function whole<Result>(metric: StreamingMetric<Result>, of: Case): Promise<Result> {
  const predictions = inputOf(of, "logits") ?? inputOf(of, "scores") ?? inputOf(of, "predictions");
  const targets = inputOf(of, "labels") ?? inputOf(of, "targets");
  const mask = inputOf(of, "mask");
  if (!predictions || !targets) throw new Error("a case without inputs");
  const optional = (x: Tensor | undefined) => (x ? { mask: x } : {});
  const all = (await metric.update(predictions, targets, optional(mask))).result();
  let inBatches = metric;
  const size = targets.shape[0] ?? 0;
  for (let from = 0; from < size; from += 7) {
    const part = (x: Tensor) => x.at([from, Math.min(size, from + 7)]);
    inBatches = await inBatches.update(part(predictions), part(targets), optional(mask && part(mask)));
  }
  expect(inBatches.result()).toEqual(all);
  return all;
}

/** The metrics of each kind of case, by the name that the case gives them. */
const metricsOf: Readonly<Record<Case["metric"], (of: Case) => Promise<Readonly<Record<string, unknown>>>>> = {
  async classification(of) {
    const classes = { classes: of.args.classes ?? 0 };
    const report = await whole(streaming.classificationReport(classes), of);
    const averages = async (average: "macro" | "micro" | "weighted") => ({
      precision: await whole(streaming.precision({ ...classes, average }), of),
      recall: await whole(streaming.recall({ ...classes, average }), of),
      f1: await whole(streaming.f1({ ...classes, average }), of),
    });
    expect(await whole(streaming.f1(classes), of)).toBe(report.macro.f1);
    expect(await whole(streaming.f1({ ...classes, average: "none" }), of)).toEqual(report.perClass.f1);
    return {
      accuracy: await whole(streaming.accuracy(), of),
      confusion_matrix: await whole(streaming.confusionMatrix(classes), of),
      per_class: report.perClass,
      macro: await averages("macro"),
      micro: await averages("micro"),
      weighted: await averages("weighted"),
      balanced_accuracy: await whole(streaming.balancedAccuracy(classes), of),
      cohen_kappa: await whole(streaming.cohenKappa(classes), of),
      mcc: await whole(streaming.matthewsCorrelation(classes), of),
    };
  },
  async logits(of) {
    const [logits, labels] = [inputOf(of, "logits"), inputOf(of, "labels")];
    if (!logits || !labels) throw new Error("no logits");
    for (const k of [1, 3, 5]) {
      const streamed = await whole(streaming.topKAccuracy({ k }), of);
      expect(topKAccuracy({ k })(logits, labels).itemSync()).toBeCloseTo(streamed, 6);
    }
    expect(accuracy(logits, labels).itemSync()).toBeCloseTo(await whole(streaming.accuracy(), of), 6);
    return {
      top1: await whole(streaming.topKAccuracy({ k: 1 }), of),
      top3: await whole(streaming.topKAccuracy({ k: 3 }), of),
      top5: await whole(streaming.topKAccuracy({ k: 5 }), of),
      mean_nll: await whole(streaming.crossEntropy(), of),
      perplexity: await whole(streaming.perplexity(), of),
      argmax: [...logits.argmax({ axis: -1 }).dataSync()],
    };
  },
  async roc_auc(of) {
    const curve = await whole(streaming.rocCurve(), of);
    return {
      roc_auc: await whole(streaming.rocAuc(), of),
      average_precision: await whole(streaming.averagePrecision(), of),
      fpr: curve.falsePositiveRate,
      tpr: curve.truePositiveRate,
    };
  },
  async perplexity(of) {
    return {
      mean_nll: await whole(streaming.crossEntropy(), of),
      perplexity: await whole(streaming.perplexity(), of),
      bits_per_token: await whole(streaming.bitsPerToken(), of),
      token_accuracy: await whole(streaming.accuracy(), of),
    };
  },
  async regression(of) {
    return {
      mse: await whole(streaming.meanSquaredError(), of),
      rmse: await whole(streaming.rootMeanSquaredError(), of),
      mae: await whole(streaming.meanAbsoluteError(), of),
      r2: await whole(streaming.r2(), of),
      max_error: await whole(streaming.maxError(), of),
    };
  },
  async probabilities(of) {
    return {
      log_loss: await whole(streaming.crossEntropy(), of),
      brier_multiclass: await whole(streaming.brierScore(), of),
      ece: await whole(streaming.expectedCalibrationError(of.args), of),
      roc_auc_ovr_macro: await whole(streaming.rocAuc(), of),
    };
  },
};

/** Deeply equal, numbers to 1e-9; null stands for what is not defined. */
function expectClose(got: unknown, wanted: unknown, what: string): void {
  if (typeof wanted === "number") {
    expect(typeof got, what).toBe("number");
    expect(Math.abs((got as number) - wanted), what).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(wanted)));
  } else if (wanted === null) {
    expect(got, what).toBeNaN();
  } else {
    const entries = Object.entries(wanted as object);
    if (Array.isArray(wanted)) expect(got, what).toHaveLength(wanted.length);
    for (const [name, value] of entries) expectClose((got as Record<string, unknown>)[name], value, `${what}.${name}`);
  }
}

test.each(cases.map((each) => [each.name, each] as const))("%s, whole and in batches", async (name, each) => {
  expectClose(await metricsOf[each.metric](each), each.expected, name);
});

describe("a streaming metric", () => {
  test("leaves the metric before an update as it was", async () => {
    const first = await streaming.accuracy().update(tensor([1, 1], { dtype: "i32" }), tensor([1, 0]));
    const second = await first.update(tensor([1, 1], { dtype: "i32" }), tensor([0, 0]));
    expect([first.result(), second.result()]).toEqual([0.5, 0.25]);
  });

  test("is not a number before the first batch", () => {
    expect(streaming.accuracy().result()).toBeNaN();
    expect(streaming.r2().result()).toBeNaN();
    expect(streaming.maxError().result()).toBeNaN();
    expect(streaming.rocAuc().result()).toBeNaN();
  });

  test("takes logits of two classes by their sign, and one-hot targets", async () => {
    const logits = tensor([[0.5], [-1], [2]]);
    expect((await streaming.accuracy().update(logits, tensor([1, 0, 0]))).result()).toBeCloseTo(2 / 3, 12);
    const recalled = await streaming.recall({ classes: 2, average: "binary" }).update(logits, tensor([[1], [1], [0]]));
    expect(recalled.result()).toBe(0.5);
    const oneHot = tensor([[0, 1], [1, 0]]); // prettier-ignore
    const matrix = await streaming.confusionMatrix({ classes: 2 }).update(tensor([[3, 1], [2, 0]]), oneHot); // prettier-ignore
    expect(matrix.result()).toEqual([[1, 0], [1, 0]]); // prettier-ignore
  });

  test("says what does not fit", async () => {
    const { confusionMatrix, precision, perplexity, rocAuc } = streaming;
    await expect(streaming.accuracy().update(zeros([4, 3]), zeros([5]))).rejects.toThrow(ShapeError);
    await expect(confusionMatrix({ classes: 2 }).update(zeros([1, 2]), tensor([2]))).rejects.toThrow(
      /expected labels in 0..1, got target 2 and prediction 0; raise classes/,
    );
    await expect(perplexity().update(zeros([2, 3]), tensor([0, -1]))).rejects.toThrow(/label -1 is not in 0..2; mask/);
    await expect(perplexity().update(zeros([2]), zeros([2]))).rejects.toThrow(/expected logits \[batch, classes\]/);
    await expect(rocAuc().update(zeros([2]), tensor([0, 2]))).rejects.toThrow(/a target of 0 or 1 .* got 1 scores/);
    expect(() => precision({ classes: 3, average: "binary" })).toThrow(ModelError);
  });
});
