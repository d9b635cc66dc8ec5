/** The errors of this package. */
import { WeftError } from "@weft/vector";

/** A name stands for no combine rule. */
export class CombineRuleError extends WeftError {
  readonly code = "combine-rule";
}
