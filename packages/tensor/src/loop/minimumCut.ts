/** The cheapest set of vertices that parts sources from sinks: maximum flow by shortest augmenting paths (Edmonds and Karp, 1972). */

export interface CutVertex {
  /** Cost of choosing the vertex; Infinity where it must not be chosen. */
  readonly weight: number;
  readonly isSource: boolean;
  readonly isSink: boolean;
  /** Vertices that it leads to. */
  readonly next: readonly number[];
}

/**
 * @returns the chosen vertices, increasing, as near to the sources as possible
 * @param vertices every way from a source to a sink passes a vertex of finite weight
 */
export function minimumCut(vertices: readonly CutVertex[]): number[] {
  const graph = new FlowGraph(2 * vertices.length + 2);
  const [source, sink] = [2 * vertices.length, 2 * vertices.length + 1];
  // Vertex v becomes an edge of its weight from 2v to 2v + 1.
  vertices.forEach(({ weight, isSource, isSink, next }, v) => {
    graph.connect(2 * v, 2 * v + 1, weight);
    if (isSource) graph.connect(source, 2 * v, Infinity);
    if (isSink) graph.connect(2 * v + 1, sink, Infinity);
    for (const to of next) graph.connect(2 * v + 1, 2 * to, Infinity);
  });
  let reached = graph.reach(source);
  for (; reached[sink] !== undefined; reached = graph.reach(source)) graph.augment(reached, source, sink);
  return [...vertices.keys()].filter((v) => reached[2 * v] !== undefined && reached[2 * v + 1] === undefined);
}

/** Edges are numbered in pairs: an edge and, at its number with the last bit flipped, its reverse. */
class FlowGraph {
  readonly #edgesFrom: number[][];
  readonly #target: number[] = [];
  readonly #room: number[] = [];

  constructor(size: number) {
    this.#edgesFrom = Array.from({ length: size }, () => []);
  }

  connect(from: number, to: number, capacity: number): void {
    this.#edgesFrom[from]!.push(this.#target.length);
    this.#edgesFrom[to]!.push(this.#target.length + 1);
    this.#target.push(to, from);
    this.#room.push(capacity, 0);
  }

  /** By vertex, the edge by which a walk along edges with room first came there; -1 for the start. */
  reach(start: number): (number | undefined)[] {
    const cameBy: (number | undefined)[] = [];
    cameBy[start] = -1;
    const open = [start];
    for (let i = 0; i < open.length; i++) {
      for (const edge of this.#edgesFrom[open[i]!]!) {
        const to = this.#target[edge]!;
        if (this.#room[edge] === 0 || cameBy[to] !== undefined) continue;
        cameBy[to] = edge;
        open.push(to);
      }
    }
    return cameBy;
  }

  /** Sends as much as fits along the path that was found. */
  augment(cameBy: readonly (number | undefined)[], start: number, end: number): void {
    const path: number[] = [];
    for (let at = end; at !== start; at = this.#target[path.at(-1)! ^ 1]!) path.push(cameBy[at]!);
    const amount = path.reduce((least, edge) => Math.min(least, this.#room[edge]!), Infinity);
    for (const edge of path) {
      this.#room[edge]! -= amount;
      this.#room[edge ^ 1]! += amount;
    }
  }
}
