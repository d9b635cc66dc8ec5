/** `weft fit`: a job in this one process, without coordinator, rounds or store. */
import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { checkpoint } from "../fit/checkpoint.ts";
import type { FitOptions } from "../fit/options.ts";
import { fitWithOutput } from "../run/fit.ts";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "../terminal/format.ts";
import { loadJob } from "./loadJob.ts";
import { jsonOption, wholeNumber } from "./options.ts";
import { createOutput } from "../terminal/output.ts";
import { metricsText } from "./runProgress.ts";

interface FitFlags extends Pick<FitOptions, "epochs" | "steps" | "batchSize" | "resume"> {
  readonly checkpoint?: string;
  readonly validation?: number;
  readonly out?: string;
  readonly json: boolean;
}

export function fitCommand(finish: Finish): Command {
  return new Command("fit")
    .description("train a job in this one process, without a coordinator")
    .argument("<job>", "job file: a module whose default export is made by defineJob")
    .addOption(numberOption("--epochs <number>", "passes over the training set (default: as the job says)"))
    .option("--steps <count>", "batches in all", wholeNumber(1, 1e12))
    .option("--batch-size <count>", "examples per batch (default: as the job says)", wholeNumber(1, 1e9))
    .addOption(numberOption("--validation <share>", "hold out this share, such as 0.1, and measure on it", 1))
    .option("--out <file>", "write the weights here, such as model.safetensors")
    .option("--checkpoint <file>", "keep the state of the training here, after every epoch and when stopped")
    .option("--resume <file>", "go on from such a file, to the bits of a training never interrupted")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Examples:
  $ weft fit examples/mnist-cnn/job.ts --epochs 3 --out mnist.safetensors
  $ weft fit job.ts --validation 0.1
  $ weft fit job.ts --checkpoint state.safetensors  # interrupted with Ctrl-C
  $ weft fit job.ts --checkpoint state.safetensors --resume state.safetensors
  $ weft fit job.ts --json | jq 'select(.event == "epoch") | .loss'`,
    )
    .action(async (jobPath: string, flags: FitFlags) => {
      finish(await fitJob(jobPath, flags));
    });
}

async function fitJob(jobPath: string, { json, out, checkpoint: kept, ...options }: FitFlags): Promise<number> {
  const output = createOutput({ json });
  const job = await loadJob(jobPath);
  if (out !== undefined) await assertWritable(out, "--out");
  if (kept !== undefined) await assertWritable(kept, "--checkpoint");
  const callbacks = kept === undefined ? [] : [checkpoint({ path: kept })];
  const interruption = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    output.line(`${name}: stopping after the batch under way; once more to leave at once`);
    interruption.abort(name);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    const fitted = await fitWithOutput(job, { ...options, callbacks, signal: interruption.signal }, output);
    const metrics = await fitted.evaluate();
    if (out !== undefined) await fitted.save(out);
    const { reason } = fitted.stopped;
    const { epoch = 0, step = 0 } = fitted.history.at(-1) ?? {};
    const path = out === undefined ? {} : { path: out };
    output.event({ event: "finished", reason, epochs: epoch, steps: step, metrics, ...path });
    const facts = `finished (${reason}) after ${count(step)} steps: test ${metricsText(metrics)}`;
    output.line(out === undefined ? facts : `${facts} · ${out}`);
    return reason === "aborted" ? exitCodes.interrupted : exitCodes.success;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** Found out before the training rather than after it. */
async function assertWritable(out: string, option: "--out" | "--checkpoint"): Promise<void> {
  try {
    await access(dirname(out), constants.W_OK);
  } catch (cause) {
    throw new UsageError(
      `cannot write ${out}: ${dirname(out)} is no folder one may write to; name another with ${option}`,
      {
        cause,
      },
    );
  }
}

/** A number above 0 and, where there is a bound, below it. */
function numberOption(flags: string, description: string, below = Infinity): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value > 0 && value < below)) {
      const bound = below === Infinity ? "" : ` and below ${below}`;
      throw new InvalidArgumentError(`expected a number above 0${bound}.`);
    }
    return value;
  });
}
