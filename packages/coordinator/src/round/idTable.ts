/** A table from identities to numbers that is never changed: a tree by the bits of a hash, whose leaves are short lists. */

/** Identities in a leaf before it is divided. */
const leafSize = 16;
const width = 16;
const bits = 4;

interface Leaf {
  readonly ids: readonly string[];
  readonly numbers: readonly number[];
}
type Branch = readonly (Node | undefined)[];
type Node = Leaf | Branch;

export class IdTable {
  static readonly empty = new IdTable(undefined, 0);
  readonly #root: Node | undefined;
  readonly size: number;

  private constructor(root: Node | undefined, size: number) {
    this.#root = root;
    this.size = size;
  }

  get(id: string): number | undefined {
    let node = this.#root;
    for (let hash = hashOf(id); isBranch(node); hash >>>= bits) node = node[hash & (width - 1)];
    const place = node?.ids.indexOf(id) ?? -1;
    return place < 0 ? undefined : node?.numbers[place];
  }

  with(id: string, number: number): IdTable {
    const size = this.get(id) === undefined ? this.size + 1 : this.size;
    return new IdTable(put(this.#root, { id, number }, { hash: hashOf(id), depth: 0 }), size);
  }

  /** With many identities that are not in it, numbered from `first` on in the order given. */
  withAll(ids: readonly string[], first: number): IdTable {
    if (ids.length === 0) return this;
    const hashes = Uint32Array.from(ids, hashOf);
    const places = Uint32Array.from(ids, (_, place) => place);
    return new IdTable(putAll(this.#root, { ids, hashes, first }, { places, depth: 0 }), this.size + ids.length);
  }

  without(id: string): IdTable {
    return this.get(id) === undefined ? this : new IdTable(remove(this.#root, id, hashOf(id)), this.size - 1);
  }

  *ids(): Generator<string, void, undefined> {
    yield* idsOf(this.#root);
  }
}

const isBranch = (node: Node | undefined): node is Branch => Array.isArray(node);

interface Place {
  /** What is left of the hash. */
  readonly hash: number;
  readonly depth: number;
}

function put(node: Node | undefined, entry: { id: string; number: number }, { hash, depth }: Place): Node {
  if (isBranch(node))
    return withChild(node, hash, (child) => put(child, entry, { hash: hash >>> bits, depth: depth + 1 }));
  const { ids, numbers } = node ?? { ids: [], numbers: [] };
  const place = ids.indexOf(entry.id);
  if (place >= 0) return { ids, numbers: numbers.with(place, entry.number) };
  // Where the hash has no bits left, a leaf grows as it must.
  if (ids.length < leafSize || depth === 32 / bits)
    return { ids: [...ids, entry.id], numbers: [...numbers, entry.number] };
  return put(divided(node, depth), entry, { hash, depth });
}

/** A leaf as a branch. */
function divided({ ids, numbers }: Leaf = { ids: [], numbers: [] }, depth: number): Branch {
  return ids.reduce<Branch>(
    (branch, id, i) =>
      put(branch, { id, number: numbers[i] ?? 0 }, { hash: hashOf(id) >>> (bits * depth), depth }) as Branch,
    [],
  );
}

interface Newcomers {
  readonly ids: readonly string[];
  readonly hashes: Uint32Array;
  readonly first: number;
}

/** With those of the newcomers whose hashes lead to this node. */
function putAll(
  node: Node | undefined,
  newcomers: Newcomers,
  { places, depth }: { readonly places: Uint32Array; readonly depth: number },
): Node | undefined {
  const { ids, hashes, first } = newcomers;
  if (places.length === 0) return node;
  if (!isBranch(node) && places.length + (node?.ids.length ?? 0) <= leafSize) {
    const names = [...(node?.ids ?? [])];
    const numbers = [...(node?.numbers ?? [])];
    for (const place of places) {
      names.push(ids[place] ?? "");
      numbers.push(first + place);
    }
    return { ids: names, numbers };
  }
  if (depth === 32 / bits) {
    return places.reduce<Node | undefined>((tree, place) => {
      return put(tree, { id: ids[place] ?? "", number: first + place }, { hash: 0, depth });
    }, node);
  }
  const branch = isBranch(node) ? node : divided(node, depth);
  const parts = dealt(places, hashes, bits * depth);
  return Array.from({ length: width }, (_, digit) =>
    putAll(branch[digit], newcomers, { places: parts[digit] ?? new Uint32Array(), depth: depth + 1 }),
  );
}

/** Places by the digit of their hash that begins at `shift`. */
function dealt(places: Uint32Array, hashes: Uint32Array, shift: number): Uint32Array[] {
  const digitOf = (place: number) => ((hashes[place] ?? 0) >>> shift) & (width - 1);
  const ends = new Uint32Array(width + 1);
  for (const place of places) ends[digitOf(place) + 1]! += 1;
  for (let digit = 0; digit < width; digit++) ends[digit + 1]! += ends[digit]!;
  const starts = ends.slice(0, width);
  const sorted = new Uint32Array(places.length);
  for (const place of places) sorted[starts[digitOf(place)]!++] = place;
  return Array.from(starts, (_, digit) => sorted.subarray(ends[digit], ends[digit + 1]));
}

function remove(node: Node | undefined, id: string, hash: number): Node | undefined {
  if (isBranch(node)) return withChild(node, hash, (child) => remove(child, id, hash >>> bits));
  if (node === undefined) return undefined;
  const place = node.ids.indexOf(id);
  return { ids: node.ids.toSpliced(place, 1), numbers: node.numbers.toSpliced(place, 1) };
}

function withChild(branch: Branch, hash: number, change: (child: Node | undefined) => Node | undefined): Branch {
  const copy = branch.slice();
  const place = hash & (width - 1);
  while (copy.length <= place) copy.push(undefined);
  copy[place] = change(copy[place]);
  return copy;
}

function* idsOf(node: Node | undefined): Generator<string, void, undefined> {
  if (!isBranch(node)) yield* node?.ids ?? [];
  else for (const child of node) yield* idsOf(child);
}

/** FNV-1a (Fowler, Noll, Vo) over the code units, with the finaliser of MurmurHash3 for the low bits. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
