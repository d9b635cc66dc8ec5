/** From lazy graph to Program: the tensors asked for become outputs, everything behind them instructions. */
import { isResident } from "./backend.ts";
import { TraceError } from "./errors.ts";
import type { DataNode, Node } from "./graph.ts";
import { Tensor, placeholder } from "./graph.ts";
import type { Instruction, Literal, Program, TensorType } from "./program.ts";
import { sizeOf, typeText } from "./program.ts";
import { withoutDeadCode } from "./prune.ts";
import { nodesBehind } from "./walk.ts";

/**
 * The Program that computes `outputs` from `inputs`, holding only what is needed for it.
 *
 * @param inputs tensors that become the program's arguments, in this order; anything may be one, and the graph is cut there.
 *   Other known values become literals, or a `constant` instruction when they have one element.
 * @throws {TraceError} when the outputs depend on an argument of another trace
 */
export function toProgram(outputs: readonly Tensor[], inputs: readonly Tensor[]): Program {
  const values = new Map<Node, number[]>();
  const assign = (node: Node, output: number, value: number) => {
    const known = values.get(node) ?? [];
    known[output] ??= value;
    values.set(node, known);
  };
  const valueOf = (tensor: Tensor): number => {
    const value = values.get(tensor.node)?.[tensor.output];
    if (value === undefined) throw new Error(`no value number for ${typeText(tensor)}`);
    return value;
  };
  inputs.forEach((input, i) => {
    assign(input.node, input.output, i);
  });
  const isInput = (tensor: Tensor) => values.get(tensor.node)?.[tensor.output] !== undefined;
  const nodes = nodesBehind(outputs, isInput);
  const types = dataTypes(outputs, nodes);

  const literals: Literal[] = [];
  for (const node of nodes) {
    const type = types.get(node);
    if (node.kind !== "data" || !type || sizeOf(type.shape) === 1) continue;
    assign(node, 0, inputs.length + literals.length);
    literals.push({ ...type, data: dataOf(node) });
  }

  let next = inputs.length + literals.length;
  const instructions: Instruction[] = [];
  const emit = (node: Node, instruction: Instruction) => {
    instructions.push(instruction);
    instruction.outputs.forEach((_, output) => {
      assign(node, output, next + output);
    });
    next += instruction.outputs.length;
  };
  for (const node of nodes) {
    if (node.kind === "operation") {
      const { primitive, params, outputs: results } = node;
      emit(node, { primitive, params, inputs: node.inputs.map(valueOf), outputs: results } as Instruction);
    } else if (node.kind === "placeholder") {
      throw new TraceError(
        `expected tensors that depend on the ${inputs.length} given inputs, got one that also depends on an argument of ` +
          "another traced function; return it from that function instead of keeping it outside",
      );
    } else if (!values.has(node)) {
      emit(node, constantOf(node, types.get(node)));
    }
  }
  const program = { inputs: inputs.map(typeOf), literals, instructions, outputs: outputs.map(valueOf) };
  return instructions.some(({ primitive }) => primitive === "scan" || primitive === "call")
    ? withoutDeadCode(program)
    : program;
}

/** Runs `fn` on arguments that have types but no values, and keeps what it computes as a Program. */
export function trace(fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[], types: readonly TensorType[]): Program {
  const inputs = types.map(placeholder);
  const result = fn(...inputs);
  return toProgram(result instanceof Tensor ? [result] : result, inputs);
}

const typeOf = ({ shape, dtype }: TensorType): TensorType => ({ shape, dtype });

/** Data nodes hold no type of their own: it is that of any tensor that names them. */
function dataTypes(outputs: readonly Tensor[], nodes: readonly Node[]): Map<Node, TensorType> {
  const types = new Map<Node, TensorType>();
  const note = (tensor: Tensor) => {
    if (tensor.node.kind === "data") types.set(tensor.node, typeOf(tensor));
  };
  outputs.forEach(note);
  for (const node of nodes) if (node.kind === "operation") node.inputs.forEach(note);
  return types;
}

const dataOf = ({ value }: DataNode) => (isResident(value) ? value.read() : value);

function constantOf(node: DataNode, type: TensorType | undefined): Instruction {
  const value = dataOf(node)[0];
  if (!type || value === undefined) throw new Error("a data node holds fewer elements than its type");
  return { primitive: "constant", params: { ...type, value }, inputs: [], outputs: [type] };
}
