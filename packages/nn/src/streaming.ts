/** The metrics that add up over batches; an export of its own: `@weft/nn/streaming`. */
export type { StreamingMetric, UpdateOptions } from "./streaming/metric.ts";
export {
  balancedAccuracy,
  classificationReport,
  cohenKappa,
  confusionMatrix,
  f1,
  matthewsCorrelation,
  precision,
  recall,
} from "./streaming/classification.ts";
export type {
  Average,
  AverageOptions,
  ClassOptions,
  ClassScores,
  ClassificationReport,
  ConfusionMatrix,
} from "./streaming/classification.ts";
export {
  accuracy,
  bitsPerToken,
  brierScore,
  crossEntropy,
  expectedCalibrationError,
  perplexity,
  topKAccuracy,
} from "./streaming/likelihood.ts";
export { averagePrecision, rocAuc, rocCurve } from "./streaming/ranking.ts";
export type { RocCurve } from "./streaming/ranking.ts";
export { maxError, meanAbsoluteError, meanSquaredError, r2, rootMeanSquaredError } from "./streaming/regression.ts";
