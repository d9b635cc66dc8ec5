/** Transposed convolutions, which make images and sequences larger. */
import type { Padding } from "@weft/tensor";
import { convTranspose1d, convTranspose2d } from "@weft/tensor";
import type { ConvOptions, PerAxis } from "./conv.ts";
import { expectImage, perAxis, spatialOptions } from "./conv.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface ConvTransposeOptions extends Omit<ConvOptions, "padding" | "groups"> {
  /** Cropped from the ends: `valid` (the default: nothing), `same` (output of size input · stride), or given numbers. */
  readonly padding?: Padding;
  /** Added at the bottom and right; default 0. */
  readonly outputPadding?: PerAxis;
}

/**
 * x [batch, height, width, in] → [batch, height', width', features], of size (size − 1) · stride + dilation · (kernel − 1) + 1
 * less the padding. Parameters: `kernel` [height, width, in, features], `bias` [features].
 */
export function conv2dTranspose(options: ConvTransposeOptions): Layer {
  return transposed("conv2dTranspose", options);
}

/** x [batch, time, in] → [batch, time', features]. Parameters: `kernel` [width, in, features], `bias` [features]. */
export function conv1dTranspose(options: ConvTransposeOptions): Layer {
  return transposed("conv1dTranspose", options);
}

function transposed(kind: "conv1dTranspose" | "conv2dTranspose", options: ConvTransposeOptions): Layer {
  checkOptions(kind, options, ["features", "outputPadding", ...spatialOptions]);
  const { features, kernel, stride = 1, padding = "valid", outputPadding = 0, dilation = 1 } = options;
  const { useBias = true, kernelInitializer = glorotUniform() } = options;
  const rank = kind === "conv1dTranspose" ? 1 : 2;
  for (const [setting, value] of Object.entries({ features, kernel, stride, dilation })) {
    checkCount(kind, setting, value);
  }
  const spread = rank === 1 ? convTranspose1d : convTranspose2d;
  return define(
    ({ parameter }) =>
      (x) => {
        expectImage(kind, x, rank);
        const shape = [...perAxis(kernel, rank), x.shape.at(-1) ?? 0, features];
        const weights = parameter("kernel", shape, kernelInitializer);
        const y = spread(x, weights, { stride, padding, outputPadding, dilation });
        return useBias ? y.add(parameter("bias", [features], zeros())) : y;
      },
    { kind },
  );
}
