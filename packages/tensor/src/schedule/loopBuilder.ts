/** Builds one fused loop: expands the values it computes down to loads from buffers, each with its affine access. */
import { isBinary, isBitwise, isUnary } from "../primitive.ts";
import type { Instruction } from "../program.ts";
import { collapseLoop } from "./collapse.ts";
import type { IndexMap } from "./affine.ts";
import { IndexSpace, add, affine, throughView } from "./affine.ts";
import type { BuiltLoop, LoopObstacle, LoopRequest, LoopRoot, OpenOp } from "./loopRequest.ts";
import type { ElementwisePrimitive } from "./step.ts";
import type { Definitions } from "./definitions.ts";
import { isView } from "./definitions.ts";

export function buildLoop(
  request: LoopRequest,
  definitions: Definitions,
  stored: ReadonlySet<number>,
): BuiltLoop | LoopObstacle {
  const builder = new LoopBuilder(request, definitions, stored);
  try {
    const results = request.roots.map((root) => ({ root, op: builder.expandRoot(root) }));
    return collapseLoop(request, builder.space, { ops: builder.ops, results, definitions });
  } catch (error) {
    if (error === stopped && builder.obstacle) return builder.obstacle;
    throw error;
  }
}

/** Ends the building of a loop; never leaves this file. One for all, since obstacles are common and stack traces dear. */
const stopped = new Error("the loop cannot be built");

class LoopBuilder {
  readonly space: IndexSpace;
  readonly ops: OpenOp[] = [];
  /** Why the building ended, if it did. */
  obstacle: LoopObstacle | undefined;
  /** Of the space before any axis was split. */
  readonly #identityKey: string;
  readonly #definitions: Definitions;
  readonly #stored: ReadonlySet<number>;
  readonly #roots: ReadonlyMap<number, LoopRoot>;
  readonly #made = new Map<string, number>();

  constructor(request: LoopRequest, definitions: Definitions, stored: ReadonlySet<number>) {
    this.space = new IndexSpace(request.shape);
    this.#identityKey = this.space.key(this.space.identity());
    this.#definitions = definitions;
    this.#stored = stored;
    this.#roots = new Map(request.roots.map((root) => [root.value, root]));
  }

  expandRoot(root: LoopRoot): number {
    const map = this.space.identity();
    return root.expression === root.value ? this.#compute(root.value, map) : this.#expand(root.expression, map);
  }

  /** The operation that holds `value` at `map`: a load where it has a buffer, else computed on the spot. */
  #expand(value: number, map: IndexMap): number {
    const own = this.#roots.get(value);
    if (own) {
      const here = own.reduce === undefined && own.expression === value && this.space.key(map) === this.#identityKey;
      if (!here) this.#stop({ kind: "conflict" });
      return this.#compute(value, map);
    }
    const place = this.#definitions.locate(value, this.#stored);
    if (place) {
      if (this.#roots.has(place.value)) this.#stop({ kind: "conflict" });
      const { shape, dtype } = this.#definitions.types[value]!;
      const form = add(this.space.linear(map, shape), affine(place.offset, []));
      return this.#emit({ kind: "load", dtype, buffer: place.value, form: this.space.resolve(form) });
    }
    return this.#compute(value, map);
  }

  #compute(value: number, map: IndexMap): number {
    const key = `${value}@${this.space.key(map)}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const instruction = this.#definitions.instructionOf(value);
    if (!instruction) return this.#copyOf(value, map);
    const op = this.#apply(instruction, value, map);
    this.#made.set(key, op);
    return op;
  }

  #apply(instruction: Instruction, value: number, map: IndexMap): number {
    const { dtype } = this.#definitions.types[value]!;
    if (instruction.primitive === "constant") {
      return this.#emit({ kind: "constant", dtype, value: instruction.params.value });
    }
    if (instruction.primitive === "iota") {
      const form = this.space.resolve(map[instruction.params.axis] ?? affine(0, []));
      return this.#emit({ kind: "index", dtype, form });
    }
    if (isView(instruction)) {
      const operand = instruction.inputs[0]!;
      const operandShape = this.#definitions.types[operand]!.shape;
      const below = throughView(this.space, instruction, { map, operandShape });
      if (!below) this.#stop({ kind: "materialise", value: operand });
      return this.#expand(operand, below);
    }
    const args = instruction.inputs.map((input) => this.#expand(input, map));
    if (instruction.primitive === "compare") {
      return this.#emit({ kind: "compare", dtype: "bool", op: instruction.params.op, args });
    }
    if (!isElementwise(instruction.primitive)) throw new Error(`${instruction.primitive} is not a loop operation`);
    return this.#emit({ kind: "apply", dtype, primitive: instruction.primitive, args });
  }

  /** An input or literal that is itself a root: a copy of it. */
  #copyOf(value: number, map: IndexMap): number {
    const { shape, dtype } = this.#definitions.types[value]!;
    return this.#emit({
      kind: "load",
      dtype,
      buffer: value,
      form: this.space.resolve(this.space.linear(map, shape)),
    });
  }

  #emit(op: OpenOp): number {
    this.ops.push(op);
    return this.ops.length - 1;
  }

  #stop(obstacle: LoopObstacle): never {
    this.obstacle = obstacle;
    throw stopped;
  }
}

const structural = new Set(["not", "select", "cast"]);

export function isElementwise(primitive: string): primitive is ElementwisePrimitive {
  return isUnary(primitive) || isBinary(primitive) || isBitwise(primitive) || structural.has(primitive);
}
