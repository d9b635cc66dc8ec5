/** Groups the stored values of a program into steps: loops that walk the same indices and share data become one. */
import type { Instruction } from "../program.ts";
import { rowMajorStrides } from "./affine.ts";
import type { Definitions } from "./definitions.ts";
import type { BuiltLoop, LoopObstacle, LoopRequest } from "./loopRequest.ts";
import { buildLoop } from "./loopBuilder.ts";
import type { Stored } from "./materialise.ts";
import { kindOf } from "./materialise.ts";
import { regionOf } from "./regions.ts";

/** One step of the schedule to be: loops, or an instruction that has a kernel. */
export interface Group {
  /** The stored values it makes. */
  values: number[];
  /** The stored values it reads. */
  reads: Set<number>;
  work: GroupWork;
  /** Groups of different regions stay apart. */
  readonly region: number;
}

export type GroupWork =
  | FusedLoops
  /** A concat or pad: several loops write one value. */
  | { readonly kind: "assembly"; readonly loops: readonly BuiltLoop[] }
  | { readonly kind: "kernel"; readonly instruction: Instruction };

interface FusedLoops {
  readonly kind: "fused";
  readonly request: LoopRequest;
  readonly loop: BuiltLoop;
}

type FusedGroup = Group & { work: FusedLoops };

/** @returns groups in executable order, or the obstacle that asks for another value to be stored */
export function groupValues(definitions: Definitions, stored: Stored): Group[] | LoopObstacle {
  const grouping = new Grouping(definitions, stored);
  const { program, firstOutput } = definitions;
  for (let i = 0; i < program.instructions.length; i++) {
    const value = firstOutput[i]!;
    if (!stored.values.has(value)) continue;
    const obstacle = grouping.add(program.instructions[i]!, value);
    if (obstacle) return obstacle;
  }
  grouping.dropInternalValues();
  return grouping.inOrder();
}

/** Past this many operations a loop gains nothing from taking in more. */
const largestLoop = 256;
/** How many related earlier loops are tried; keeps scheduling of long unrolled programs near linear. */
const mergeAttempts = 6;

class Grouping {
  readonly #definitions: Definitions;
  readonly #optional: ReadonlySet<number>;
  readonly #stored: Set<number>;
  readonly #groups: Group[] = [];
  /** Those that walk the same indices, of one region: the ones that may become one. */
  readonly #alike = new Map<string, FusedGroup[]>();
  readonly #groupOf = new Map<number, Group>();

  constructor(definitions: Definitions, stored: Stored) {
    this.#definitions = definitions;
    this.#optional = stored.optional;
    this.#stored = new Set(stored.values);
  }

  add(instruction: Instruction, value: number): LoopObstacle | undefined {
    if (kindOf(instruction) === "kernel") {
      const reads = instruction.inputs.map((input) => this.#definitions.locate(input, this.#stored)!.value);
      const values = instruction.outputs.map((_, output) => value + output);
      this.#keep({
        values,
        reads: new Set(reads),
        work: { kind: "kernel", instruction },
        region: regionOf(instruction),
      });
      return undefined;
    }
    if (instruction.primitive === "concat" || instruction.primitive === "pad") {
      return this.#addAssembly(assemblyLoops(this.#definitions, instruction, value), value);
    }
    const request = rootRequest(this.#definitions, instruction, value);
    const alone = this.#build(request);
    if ("kind" in alone) return alone;
    const group: FusedGroup = {
      values: [value],
      reads: new Set(alone.reads),
      work: { kind: "fused", request, loop: alone },
      region: regionOf(instruction),
    };
    if (!this.#joinAnother(group)) this.#keep(group);
    return undefined;
  }

  /** A value that nothing outside its own loop reads needs no buffer. */
  dropInternalValues(): void {
    const read = new Set(this.#groups.flatMap((group) => [...group.reads]));
    for (const group of this.#groups) {
      if (group.work.kind !== "fused") continue;
      const internal = group.values.filter((value) => this.#optional.has(value) && !read.has(value));
      if (internal.length === 0) continue;
      for (const value of internal) this.#stored.delete(value);
      const roots = group.work.request.roots.filter((root) => !internal.includes(root.value));
      const request = { ...group.work.request, roots };
      const loop = this.#build(request);
      if ("kind" in loop) throw new Error("a loop that was built before cannot be built with fewer results");
      group.values = roots.map((root) => root.value);
      group.work = { kind: "fused", request, loop };
    }
  }

  /** Groups so that each follows those it reads, otherwise in program order. */
  inOrder(): Group[] {
    const position = (group: Group) => Math.max(...group.values);
    const ordered: Group[] = [];
    const placed = new Set<Group>();
    const place = (group: Group) => {
      if (placed.has(group)) return;
      placed.add(group);
      for (const before of this.#dependencies(group)) place(before);
      ordered.push(group);
    };
    for (const group of this.#groups.toSorted((a, b) => position(a) - position(b))) place(group);
    return ordered;
  }

  #addAssembly(requests: readonly LoopRequest[], value: number): LoopObstacle | undefined {
    const loops: BuiltLoop[] = [];
    for (const request of requests) {
      const loop = this.#build(request);
      if ("kind" in loop) return loop;
      loops.push(loop);
    }
    const reads = new Set(loops.flatMap((loop) => loop.reads));
    this.#keep({ values: [value], reads, work: { kind: "assembly", loops }, region: 0 });
    return undefined;
  }

  #build(request: LoopRequest): BuiltLoop | LoopObstacle {
    return buildLoop(request, this.#definitions, this.#stored);
  }

  #keep(group: Group): void {
    this.#groups.push(group);
    for (const value of group.values) this.#groupOf.set(value, group);
  }

  /** Merges the new group into an earlier one that walks the same indices, if they share data and nothing stands between. */
  #joinAnother(group: FusedGroup): boolean {
    const alikeKey = `${group.region} ${group.work.request.shape.join()}`;
    const alike = this.#alike.get(alikeKey) ?? [];
    this.#alike.set(alikeKey, alike);
    const candidates = lastRelated(alike, group);
    const behind = candidates.length > 0 ? this.#behindOthers(group) : new Set();
    for (const earlier of candidates) {
      if (behind.has(earlier)) continue;
      const merged = this.#merge(earlier, group);
      if (!merged) continue;
      earlier.values.push(...group.values);
      earlier.reads = new Set(merged.loop.reads);
      earlier.work = merged;
      for (const value of group.values) this.#groupOf.set(value, earlier);
      return true;
    }
    alike.push(group);
    return false;
  }

  #merge(earlier: FusedGroup, later: FusedGroup): FusedLoops | undefined {
    const [left, right] = [earlier.work.request, later.work.request];
    const reducedAxes = left.reducedAxes.length > 0 ? left.reducedAxes : right.reducedAxes;
    const request = { shape: left.shape, reducedAxes, roots: [...left.roots, ...right.roots] };
    const loop = this.#build(request);
    return "kind" in loop ? undefined : { kind: "fused", request, loop };
  }

  /** The groups that `group` depends on by way of others, which would have to run in the midst of the two as one. */
  #behindOthers(group: Group): ReadonlySet<Group> {
    const behind = new Set<Group>();
    const open = this.#dependencies(group);
    for (let at = open.pop(); at; at = open.pop()) {
      for (const dependency of this.#dependencies(at)) {
        if (behind.has(dependency)) continue;
        behind.add(dependency);
        open.push(dependency);
      }
    }
    return behind;
  }

  #dependencies(group: Group): Group[] {
    const dependencies: Group[] = [];
    for (const value of group.reads) {
      const other = this.#groupOf.get(value);
      if (other && other !== group) dependencies.push(other);
    }
    return dependencies;
  }
}

/** The earlier groups that are worth a try, the latest first. */
function lastRelated(alike: readonly FusedGroup[], group: FusedGroup): FusedGroup[] {
  const related: FusedGroup[] = [];
  for (let i = alike.length - 1; i >= 0 && related.length < mergeAttempts; i--) {
    if (isRelated(alike[i]!, group)) related.push(alike[i]!);
  }
  return related;
}

/** Whether two loops over the same indices reduce alike if both reduce, and share data. */
function isRelated(earlier: FusedGroup, later: FusedGroup): boolean {
  const [left, right] = [earlier.work.request, later.work.request];
  const bothReduce = left.reducedAxes.length > 0 && right.reducedAxes.length > 0;
  if (bothReduce && left.reducedAxes.join() !== right.reducedAxes.join()) return false;
  if (earlier.work.loop.loop.ops.length + later.work.loop.loop.ops.length > largestLoop) return false;
  for (const value of later.reads) {
    if (earlier.reads.has(value) || earlier.values.includes(value)) return true;
  }
  return false;
}

/** The loop that stores one value. */
function rootRequest(definitions: Definitions, instruction: Instruction, value: number): LoopRequest {
  if (instruction.primitive === "sum" || instruction.primitive === "reduceMax") {
    const expression = instruction.inputs[0]!;
    const reduce = instruction.primitive === "sum" ? "sum" : "max";
    return {
      shape: definitions.shapeOf(expression),
      reducedAxes: instruction.params.axes,
      roots: [{ value, expression, reduce }],
    };
  }
  return {
    shape: definitions.shapeOf(value),
    reducedAxes: [],
    roots: [{ value, expression: value, reduce: undefined }],
  };
}

type Assembly = Extract<Instruction, { primitive: "concat" | "pad" }>;

/** The loops that write a concat piece by piece, or a pad as a fill and then its operand. */
function assemblyLoops(definitions: Definitions, instruction: Assembly, value: number): LoopRequest[] {
  const shape = definitions.shapeOf(value);
  const strides = rowMajorStrides(shape);
  const write = (expression: number, over: readonly number[], access: { offset: number; strides: number[] }) => ({
    shape: over,
    reducedAxes: [],
    roots: [{ value, expression, reduce: undefined, access }],
  });
  if (instruction.primitive === "concat") {
    const { axis } = instruction.params;
    let start = 0;
    const pieces = instruction.inputs.map((piece) => {
      const over = definitions.shapeOf(piece);
      const request = write(piece, over, { offset: start * strides[axis]!, strides });
      start += over[axis]!;
      return request;
    });
    return pieces.filter((piece) => !piece.shape.includes(0));
  }
  const { low, interior } = instruction.params;
  const [operand, fill] = instruction.inputs as [number, number];
  const spread = strides.map((stride, axis) => stride * (interior[axis]! + 1));
  const offset = strides.reduce((sum, stride, axis) => sum + stride * low[axis]!, 0);
  return [
    write(fill, shape, { offset: 0, strides }),
    write(operand, definitions.shapeOf(operand), { offset, strides: spread }),
  ];
}
