/** `randomBits`: threefry-2x32 with 20 rounds (Salmon et al. 2011), four blocks, so eight words, at a time. */
import type { FunctionBuilder, V128 } from "@weft/emitter";
import { i32, i32x4, minimum, ModuleBuilder, v128 } from "@weft/emitter";
import { sizeOf } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelFactory } from "../kernel.ts";

const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;
/** Words per turn of the loop, and groups of that many per tile. */
const group = 8;
const groupsPerTile = 1024;

export const randomBitsKernel: KernelFactory<"randomBits"> = ([key], { shape }) => {
  const keys = sizeOf(key!.shape) / 2;
  const words = sizeOf(shape);
  const groups = Math.ceil(words / group);
  const tilesPerKey = Math.ceil(groups / groupsPerTile);
  return {
    key: `randomBits:${keys}:${words}`,
    build: () => build(words, groups, tilesPerKey),
    tiles: keys * tilesPerKey,
    scratchBytes: 0,
  };
};

function build(words: number, groups: number, tilesPerKey: number): ModuleBuilder {
  const module = new ModuleBuilder();
  return defineRun(module, 2, (f, [from, to, , keys, result]) => {
    f.for({ from, to }, (tile) => {
      const row = f.i32(i32.divU(tile, tilesPerKey));
      const first = f.i32(i32.mul(i32.remU(tile, tilesPerKey), groupsPerTile));
      const keyAt = f.i32(i32.add(keys, i32.mul(row, 8)));
      const low = f.local("v128", v128.load32Splat(keyAt));
      const high = f.local("v128", v128.load32Splat(keyAt, 4));
      const parity = v128.xor(v128.xor(low, high), i32x4.splat(0x1bd11bda));
      const schedule = [low, high, f.local("v128", parity)];
      const target = f.i32(i32.add(result, i32.mul(i32.add(i32.mul(row, words), i32.mul(first, group)), 4)));
      const writeGroup = (index: V128, lanes: number) => {
        const [x, y] = threefry(f, index, schedule);
        const pairs = [i32x4.shuffle(x, y, [0, 4, 1, 5]), i32x4.shuffle(x, y, [2, 6, 3, 7])];
        pairs.forEach((pair, half) => {
          const kept = f.local("v128", pair);
          const count = Math.min(4, lanes - 4 * half);
          if (count === 4) f.storeV128(target, kept, 16 * half);
          else
            for (let lane = 0; lane < count; lane++)
              f.storeLane32(target, kept, { lane, offset: 16 * half + 4 * lane });
        });
      };
      const indexOf = (at: Parameters<typeof i32x4.splat>[0]) =>
        i32x4.add(i32x4.splat(i32.mul(at, group / 2)), i32x4.const([0, 1, 2, 3]));
      const fullGroups = Math.floor(words / group);
      const stop = i32.add(first, groupsPerTile);
      const end = f.i32(minimum(stop, fullGroups));
      f.for({ from: first, to: end }, (at) => {
        writeGroup(f.local("v128", indexOf(at)), group);
        f.increment(target, 4 * group);
      });
      if (fullGroups === groups) return;
      f.if(i32.geS(stop, groups), () => writeGroup(indexOf(fullGroups), words % group));
    });
  });
}

/** The two words of four blocks whose counters are (index, 0). */
function threefry(f: FunctionBuilder, index: V128, schedule: readonly V128[]): [x: V128, y: V128] {
  const x = f.local("v128", i32x4.add(index, schedule[0]!));
  const y = f.local("v128", schedule[1]);
  for (let round = 0; round < 20; round++) {
    const distance = rotations[round % 8]!;
    f.set(x, i32x4.add(x, y));
    f.set(y, v128.xor(v128.or(i32x4.shl(y, distance), i32x4.shrU(y, 32 - distance)), x));
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    f.set(x, i32x4.add(x, schedule[injection % 3]!));
    f.set(y, i32x4.add(i32x4.add(y, schedule[(injection + 1) % 3]!), i32x4.splat(injection)));
  }
  return [x, y];
}
