/**
 * SIMD kernels of exact sums: the norm of a run of values, and the rounding of several contributions to the grid and adding
 * them in one pass over the sums, whose traffic is what it costs. The sums get the bits of the plain loops in `accumulator.ts`.
 */
import type { I32, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, f64, f64x2, hasRelaxedSimd, i32, i32x4, i64x2, v128 } from "@weft/emitter";

/** Values taken at a turn; a run is filled up with zeros to a multiple of this. */
export const foldStep = 64;
/** Contributions that one pass over the sums can add. */
export const mostAtOnce = 8;

/**
 * name(values, count) → the sum of squares, to some 1e-6; not finite when a value is not, or has a square beyond f32.
 * Sixteen squares are added in f32 before they join an f64: a third of the instructions that f64 throughout would take.
 */
export function addSquaredNorm(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32"],
    (f, [values, count]) => {
      const [low, high] = [f.local("v128"), f.local("v128")];
      f.for({ from: 0, to: i32.shl(count, 2), step: 4 * foldStep }, (at) => {
        const from = f.local("i32", i32.add(values, at));
        const squaresFrom = (first: number): V128 => {
          const sum = f.local("v128");
          for (let i = first; i < foldStep; i += 16) {
            const x = f.local("v128", v128.load(from, 4 * i));
            f.set(sum, i < 16 ? f32x4.mul(x, x) : addSquare(x, sum));
          }
          return sum;
        };
        const [a, b, c, d] = [squaresFrom(0), squaresFrom(4), squaresFrom(8), squaresFrom(12)];
        const four = f.local("v128", f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
        f.set(low, f64x2.add(low, f64x2.promoteLow(four)));
        f.set(high, f64x2.add(high, f64x2.promoteLow(upperTwo(four))));
      });
      const two = f.local("v128", f64x2.add(low, high));
      f.return(f64.add(f64x2.extractLane(two, 0), f64x2.extractLane(two, 1)));
    },
    { export: name, result: "f64" },
  );
}

/** Names of the kernels that add so many contributions to sums, or put their sum in the place of what was there. */
export const foldName = (contributions: number, fresh: boolean): string => `${fresh ? "put" : "add"}${contributions}`;

/**
 * name(sums, count, magic, …values, …weights): raised sums (see `raisedSums.ts`) of so many contributions.
 *
 * What weight · value + magic rounds to is, as an integer of its bits, the magic's plus so many quanta: integers are added,
 * and the magics taken off together.
 *
 * Sums that many contributions are added to are read first, a piece at a time: where much is computed between one load and the
 * next, processors fetch too little ahead. Eight contributions are folded in 0.85 of the time so; two would take longer.
 */
export function addFold(module: ModuleBuilder, contributions: number, fresh: boolean): void {
  const pointers = Array<"i32">(contributions).fill("i32");
  const factors = Array<"f64">(contributions).fill("f64");
  module.function(
    ["i32", "i32", "f64", ...pointers, ...factors],
    (f, [sums, count, magic, ...rest]) => {
      const values = rest.slice(0, contributions) as (typeof sums)[];
      const weights = rest.slice(contributions).map((weight) => f.local("v128", f64x2.splat(weight as typeof magic)));
      const magics = f.local("v128", f64x2.splat(magic));
      const tooMuch = f.local("v128");
      for (let k = fresh ? 1 : 0; k < contributions; k++) f.set(tooMuch, i64x2.add(tooMuch, magics));
      const addUp = (at: I32): void => {
        const to = f.local("i32", i32.add(sums, i32.shl(at, 1)));
        const raised = Array.from({ length: valuesAtATurn / 2 }, () => f.local("v128"));
        for (const [k, address] of values.entries()) {
          const from = f.local("i32", i32.add(address, at));
          for (const [j, sum] of raised.entries()) {
            const pair = f64x2.promoteLow(v128.load64Zero(from, 8 * j));
            const rounded = weigh(weights[k]!, pair, magics);
            const before = k > 0 ? sum : fresh ? undefined : v128.load(to, 16 * j);
            f.set(sum, before === undefined ? rounded : i64x2.add(before, rounded));
          }
        }
        for (const [j, sum] of raised.entries()) {
          f.storeV128(to, fresh && contributions === 1 ? sum : i64x2.sub(sum, tooMuch), 16 * j);
        }
      };
      const bytes = f.local("i32", i32.shl(count, 2));
      const step = 4 * valuesAtATurn;
      if (fresh || contributions < leastFetchedFor) {
        f.for({ from: 0, to: bytes, step }, addUp);
        f.return(i32.const(0));
        return;
      }
      const fetched = f.local("i32");
      f.for({ from: 0, to: bytes, step: 4 * valuesFetched }, (piece) => {
        const end = f.local("i32", i32.add(piece, 4 * valuesFetched));
        f.if(i32.ltS(bytes, end), () => f.set(end, bytes));
        f.for({ from: piece, to: end, step: 4 * foldStep }, (at) => {
          const from = f.local("i32", i32.add(sums, i32.shl(at, 1)));
          for (let i = 0; i < 8 * foldStep; i += lineBytes) f.set(fetched, i32.or(fetched, i32.load(from, i)));
        });
        f.for({ from: piece, to: end, step }, addUp);
      });
      // An engine may leave out loads that come to nothing.
      f.return(fetched);
    },
    { export: foldName(contributions, fresh), result: "i32" },
  );
}

/** Of each contribution: so that their partial sums stay in registers. */
const valuesAtATurn = 8;
/** Fewer contributions leave it to the processor to fetch their sums. */
const leastFetchedFor = 5;
/** Sums read at once: they stay in the cache nearest but one until they are added to. */
const valuesFetched = 4096;
/** Of a cache. */
const lineBytes = 64;

/** weight · value is exact in f64, so one rounding or two makes no difference. */
const weigh = hasRelaxedSimd() ? f64x2.relaxedMadd : (x: V128, y: V128, z: V128) => f64x2.add(f64x2.mul(x, y), z);

const addSquare = hasRelaxedSimd()
  ? (x: V128, sum: V128) => f32x4.relaxedMadd(x, x, sum)
  : (x: V128, sum: V128) => f32x4.add(sum, f32x4.mul(x, x));

const upperTwo = (x: V128): V128 => i32x4.shuffle(x, x, [2, 3, 2, 3]);
