/** The convolution layer over images. */
import type { Padding } from "@weft/tensor";
import { ShapeError, typeText } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Initializer } from "./initializers.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount } from "./settings.ts";

export interface Conv2dOptions {
  /** Number of output channels. */
  readonly features: number;
  /** Height and width of the kernel; one number for both. */
  readonly kernel: number | readonly [height: number, width: number];
  /** Default 1. */
  readonly stride?: number | readonly [vertical: number, horizontal: number];
  /** `valid` (the default: none), `same` (output of size ceil(input / stride)), or given numbers. */
  readonly padding?: Padding;
  /** Distance between kernel cells; default 1. */
  readonly dilation?: number | readonly [vertical: number, horizontal: number];
  /** Channels fall into this many groups that do not see each other; default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default `glorotUniform()`. */
  readonly kernelInitializer?: Initializer;
}

/**
 * x [batch, height, width, in] → [batch, height', width', features]. Parameters: `kernel` [height, width, in / groups, features],
 * `bias` [features], which starts at zero.
 */
export function conv2d(options: Conv2dOptions): Layer {
  const { features, kernel, stride = 1, padding = "valid", dilation = 1, groups = 1 } = options;
  const { useBias = true, kernelInitializer = glorotUniform() } = options;
  for (const [setting, value] of Object.entries({ features, kernel, stride, dilation, groups })) {
    checkCount("conv2d", setting, value);
  }
  if (features % groups !== 0) {
    throw new ModelError(`conv2d: ${features} features do not divide into ${groups} groups; use a multiple`);
  }
  const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
  return define(
    ({ parameter }) =>
      (x) => {
        const channels = x.shape.at(-1) ?? 0;
        if (x.rank !== 4) {
          const remedy = x.rank === 3 ? "add a batch or a channel axis" : "reshape it";
          throw new ShapeError(`conv2d: expected [batch, height, width, channels], got ${typeText(x)}; ${remedy}`);
        }
        if (channels % groups !== 0) {
          throw new ShapeError(
            `conv2d: ${typeText(x)} has ${channels} channels, which do not divide into ${groups} groups`,
          );
        }
        const weights = parameter("kernel", [height, width, channels / groups, features], kernelInitializer);
        const y = x.conv2d(weights, { stride, padding, dilation, groups });
        return useBias ? y.add(parameter("bias", [features], zeros())) : y;
      },
    { kind: "conv2d" },
  );
}
