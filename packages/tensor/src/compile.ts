/**
 * Compiled steps: a function of trees of tensors, traced once for each set of input types and then run as one call.
 *
 * Donated arguments hand their memory to results of the same type, so that parameters and optimiser state are updated
 * in place and never leave the backend between steps.
 */
import type { Resident } from "./backend.ts";
import { isResident } from "./backend.ts";
import { currentBackend } from "./backends.ts";
import type { TensorData } from "./dtype.ts";
import { DonatedError, TraceError } from "./errors.ts";
import { elementsOf, realizeSync } from "./evaluate.ts";
import { Tensor, placeholder } from "./graph.ts";
import { isKeepingGraph } from "./keepGraph.ts";
import type { TensorType } from "./program.ts";
import { typeText } from "./program.ts";
import { toProgram } from "./trace.ts";
import type { FlatTree } from "./tree.ts";
import { flatten, structureText, unflatten } from "./tree.ts";
import { nodesBehind } from "./walk.ts";

export interface CompileStepOptions {
  /** Positions of arguments that are given away: their tensors cannot be used again after the call. */
  readonly donate?: readonly number[];
}

/** One traced and compiled variant: leaves of the arguments in, tree of results out. */
type Step = (leaves: readonly Tensor[]) => unknown;

/**
 * `fn`, traced once per distinct structure and types of its arguments. Inside another traced function it is simply called.
 *
 * @param fn pure: it reads only its arguments, and other tensors as they are when it is first called
 * @throws {DonatedError} when a tensor is used again that an earlier call was given
 */
export function compile<Args extends readonly unknown[], Result>(
  fn: (...args: Args) => Result,
  options: CompileStepOptions = {},
): (...args: Args) => Result {
  const steps = new Map<string, Step>();
  let backend = currentBackend();
  return (...args) => {
    const flat = flatten(args, "compile: arguments ");
    if (isKeepingGraph() || isTraced(flat.leaves)) return fn(...args);
    if (backend !== currentBackend()) steps.clear();
    backend = currentBackend();
    const key = `${structureText(flat.structure)} ${flat.leaves.map(typeText).join()}`;
    let step = steps.get(key);
    if (!step) {
      const isDonated = args.flatMap((arg, i) => flatten(arg).leaves.map(() => options.donate?.includes(i) ?? false));
      step = createStep(fn, flat, isDonated);
      steps.set(key, step);
    }
    // The structure of the results is that of fn's own result.
    return step(flat.leaves) as Result;
  };
}

function createStep(fn: (...args: never[]) => unknown, example: FlatTree, isDonated: readonly boolean[]): Step {
  const inputs = example.leaves.map(placeholder);
  const results = flatten(fn(...(unflatten(example.structure, inputs) as unknown as never[])), "compile: result");
  const types = results.leaves.map(({ shape, dtype }): TensorType => ({ shape, dtype }));
  const aliases = pairAliases(inputs, types, isDonated);
  const places = new Map([...aliases].map(([output, input]) => [input, output]));
  const executable = currentBackend().compile(toProgram(results.leaves, inputs), { aliases });
  /** Results of the last run that lie in the executable's memory, by output. */
  let lent: ReadonlyMap<number, Tensor> = new Map();

  return (leaves) => {
    realizeSync(...leaves);
    const given = new Set(leaves.filter((_, i) => isDonated[i]));
    rescue(lent, given);
    const values = leaves.map((leaf, i): TensorData | Resident => {
      const own = isDonated[i] && lent.get(places.get(i) ?? -1) === leaf;
      return own && leaf.node.kind === "data" ? leaf.node.value : elementsOf(leaf);
    });
    const computed = executable.run(values);
    if (computed instanceof Promise) {
      throw new TraceError("compile: the backend answers asynchronously; set one that computes synchronously");
    }
    release(given);
    const outputs = types.map((type, i) => {
      const value = computed[i];
      if (!value) throw new Error(`the backend gave ${computed.length} results for ${types.length}`);
      return new Tensor(type, { kind: "data", value });
    });
    lent = new Map(outputs.flatMap((tensor, i) => (isLent(tensor) ? [[i, tensor]] : [])));
    return unflatten(results.structure, outputs);
  };
}

/** Each donated input gets the first free output of its type. */
function pairAliases(
  inputs: readonly TensorType[],
  outputs: readonly TensorType[],
  isDonated: readonly boolean[],
): ReadonlyMap<number, number> {
  const aliases = new Map<number, number>();
  inputs.forEach((input, i) => {
    if (!isDonated[i]) return;
    const output = outputs.findIndex((type, j) => !aliases.has(j) && typeText(type) === typeText(input));
    if (output !== -1) aliases.set(output, i);
  });
  return aliases;
}

/** Results of the last run that were not given back are read out before their place is overwritten. */
function rescue(lent: ReadonlyMap<number, Tensor>, given: ReadonlySet<Tensor>): void {
  for (const tensor of lent.values()) {
    if (!given.has(tensor) && isLent(tensor)) tensor.node = { kind: "data", value: elementsOf(tensor) };
  }
}

/** What was given to another step in the meantime has no value any more. */
const isLent = ({ node }: Tensor): boolean =>
  node.kind === "data" && isResident(node.value) && node.value !== givenAway;

/**
 * Lets go of results of a compiled step that nobody will read again: otherwise its next run copies what it was not given back.
 * Reading one throws a DonatedError from now on.
 */
export function release(tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) tensor.node = { kind: "data", value: givenAway };
}

function tellGivenAway(): never {
  throw new DonatedError(
    "expected a tensor that is still yours, got one that was released, or donated to a compiled step, which reuses its memory; " +
      "use the step's result instead, or leave its position out of `donate`",
  );
}

/** Stands for the value of a tensor that was donated or released. */
const givenAway: Resident = { read: tellGivenAway, readInto: tellGivenAway };

/** Whether any leaf depends on an argument of a function that is being traced. */
function isTraced(leaves: readonly Tensor[]): boolean {
  if (leaves.every(({ node }) => node.kind === "data")) return false;
  return nodesBehind(leaves, ({ node }) => node.kind === "data").some(({ kind }) => kind === "placeholder");
}
