/** Finds which unit of a file belongs to which layer of ours, and says clearly what does not. */
import { typeText } from "@weft/tensor";
import { ParameterError } from "../errors.ts";
import type { OwnUnit, Unit } from "./layout.ts";

/** New names of layers: a table, those not in it staying as they are, or a function. */
export type Rename = Readonly<Record<string, string>> | ((name: string) => string);

export const renamed = (name: string, rename: Rename | undefined): string => {
  if (typeof rename === "function") return rename(name);
  return rename && Object.hasOwn(rename, name) ? (rename[name] ?? name) : name;
};

export interface Pair {
  readonly own: OwnUnit;
  readonly foreign: Unit;
}

/**
 * Units of one name belong together; what is left, where nothing was renamed, goes in order.
 *
 * @throws {ParameterError} listing the units of either side that stay alone
 */
export function pairUnits(
  own: readonly OwnUnit[],
  foreign: readonly Unit[],
  { what, rename }: { readonly what: string; readonly rename: Rename | undefined },
): Pair[] {
  const byName = new Map(foreign.map((unit) => [renamed(unit.name, rename), unit] as const));
  const named = new Map(
    own.flatMap((unit) => {
      const match = byName.get(unit.name) ?? byName.get(unit.name.replaceAll(".", "/"));
      return match ? [[unit, match] as const] : [];
    }),
  );
  const taken = new Set(named.values());
  const alone = own.filter((unit) => !named.has(unit));
  const left = inOrder(foreign.filter((unit) => !taken.has(unit)));
  if (alone.length !== left.length || (rename !== undefined && alone.length > 0)) {
    const listed = (units: readonly Unit[]) => units.map(unitText).join("; ") || "nothing";
    throw new ParameterError(
      `${what}: ${own.length} layers of the model and ${foreign.length} of the file do not match; ` +
        `left in the model: ${listed(alone)}; left in the file: ${listed(left)}; ` +
        "give rename, from their names of layers to those of the model, or take out what is not wanted",
    );
  }
  alone.forEach((unit, i) => named.set(unit, left[i] ?? unit));
  return own.map((unit) => ({ own: unit, foreign: named.get(unit) ?? unit }));
}

/** `dense (kernel f32[784,10], bias f32[10])` */
export const unitText = ({ name, leaves }: Unit): string =>
  `${name || "the model"} (${Object.entries(leaves)
    .map(([leaf, tensor]) => `${leaf}${leaf && " "}${typeText(tensor)}`)
    .join(", ")})`;

interface Branch {
  readonly units: Unit[];
  readonly children: Map<string, Branch>;
}

/**
 * Writers sort names as text, which puts layer 10 before layer 2. Where all names at a place are numbers they are taken in their
 * order; otherwise as they come.
 */
function inOrder(units: readonly Unit[]): Unit[] {
  const root: Branch = { units: [], children: new Map() };
  for (const unit of units) {
    let branch = root;
    for (const part of unit.name.split(/[./]/)) {
      const next = branch.children.get(part) ?? { units: [], children: new Map<string, Branch>() };
      branch.children.set(part, next);
      branch = next;
    }
    branch.units.push(unit);
  }
  return listed(root);
}

function listed({ units, children }: Branch): Unit[] {
  const entries = [...children];
  if (entries.every(([name]) => /^\d+$/.test(name))) entries.sort(([a], [b]) => Number(a) - Number(b));
  return [...units, ...entries.flatMap(([, branch]) => listed(branch))];
}
