/** The metrics that add up over batches; exported as `streaming`. */
export type { StreamingMetric, UpdateOptions } from "./metric.ts";
export {
  balancedAccuracy,
  classificationReport,
  cohenKappa,
  confusionMatrix,
  f1,
  matthewsCorrelation,
  precision,
  recall,
} from "./classification.ts";
export type {
  Average,
  AverageOptions,
  ClassOptions,
  ClassScores,
  ClassificationReport,
  ConfusionMatrix,
} from "./classification.ts";
export {
  accuracy,
  bitsPerToken,
  brierScore,
  crossEntropy,
  expectedCalibrationError,
  perplexity,
  topKAccuracy,
} from "./likelihood.ts";
export { averagePrecision, rocAuc, rocCurve } from "./ranking.ts";
export type { RocCurve } from "./ranking.ts";
export { maxError, meanAbsoluteError, meanSquaredError, r2, rootMeanSquaredError } from "./regression.ts";
