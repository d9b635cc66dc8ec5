/** The lazy graph: a Tensor names one result of a Node; nothing is computed until a value is asked for. */
import type { TensorData } from "./dtype.ts";
import type { DType } from "./dtype.ts";
import type { Resident } from "./backend.ts";
import { infer } from "./infer.ts";
import type { Shape } from "./primitive.ts";
import type { OneResult, Primitive, PrimitiveParams } from "./program.ts";
import type { TensorType } from "./program.ts";
import { sizeOf } from "./program.ts";

/** A primitive applied to tensors. */
export type OperationNode = {
  [P in Primitive]: {
    readonly kind: "operation";
    readonly primitive: P;
    readonly params: PrimitiveParams[P];
    readonly inputs: readonly Tensor[];
    readonly outputs: readonly TensorType[];
  };
}[Primitive];

/** A known value. */
export interface DataNode {
  readonly kind: "data";
  readonly value: TensorData | Resident;
}

/** A function's argument while it is traced; it has no value. */
export interface PlaceholderNode {
  readonly kind: "placeholder";
}

export type Node = OperationNode | DataNode | PlaceholderNode;

/**
 * An immutable n-dimensional array, computed when asked for. Methods are defined in `operations/` and attached by
 * `methods.ts`. Never freed by hand.
 */
export class Tensor implements TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Replaced by a DataNode once the value is known, which lets go of the graph behind it. */
  node: Node;
  /** Which of the node's outputs this is; 0 once the node is data. */
  output: number;

  constructor(type: TensorType, node: Node, output = 0) {
    this.shape = type.shape;
    this.dtype = type.dtype;
    this.node = node;
    this.output = output;
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return sizeOf(this.shape);
  }
}

/** Applies a primitive: infers and checks the result types, and returns the results as lazy tensors. */
export function bindAll<P extends Primitive>(
  primitive: P,
  inputs: readonly Tensor[],
  params: PrimitiveParams[P],
): Tensor[] {
  const outputs = infer(primitive, inputs, params);
  const node = { kind: "operation", primitive, params, inputs, outputs } as OperationNode;
  return outputs.map((type, index) => new Tensor(type, node, index));
}

/** `bindAll` for the primitives with one result. */
export function bind<P extends OneResult>(primitive: P, inputs: readonly Tensor[], params: PrimitiveParams[P]): Tensor {
  const [result] = bindAll(primitive, inputs, params);
  if (!result) throw new Error(`${primitive} has no result`);
  return result;
}

/**
 * Gives a loop's node further results after those it has, computed by a body that has them as well: what a gradient asks of
 * the loop that it differentiates. Tensors that name the earlier results stay valid, and tracing drops what nobody reads.
 */
export function extendLoop(node: Node, body: PrimitiveParams["scan"]["body"]): Tensor[] {
  if (node.kind !== "operation" || node.primitive !== "scan") throw new Error("only loops are extended");
  const params = { ...node.params, body };
  const outputs = infer("scan", node.inputs, params);
  Object.assign(node, { params, outputs });
  return outputs.map((type, index) => new Tensor(type, node, index));
}

/** An argument of a function that is being traced. */
export function placeholder(type: TensorType): Tensor {
  return new Tensor({ shape: type.shape, dtype: type.dtype }, { kind: "placeholder" });
}
