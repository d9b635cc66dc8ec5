import type { Expression, FunctionBuilder, Local, ValueType } from "@weft/emitter";
import { f32, f32x4, f64, hasRelaxedSimd, i32, i32x4, ModuleBuilder, select, tee, v128 } from "@weft/emitter";
import { describe, expect, it } from "vitest";

const memory = new WebAssembly.Memory({ initial: 1 });

function instantiate(module: ModuleBuilder): Record<string, (...args: number[]) => number> {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  return instance.exports as Record<string, (...args: number[]) => number>;
}

/** Runs `body` with two i32 parameters; it returns one value. */
function run(
  result: ValueType,
  body: (f: FunctionBuilder, x: Local<"i32">, y: Local<"i32">) => void,
  ...args: number[]
): number {
  const module = new ModuleBuilder();
  module.function(["i32", "i32"], (f, [x, y]) => body(f, x, y), { export: "run", result });
  return instantiate(module)["run"]!(...args);
}

/** The lanes of a vector expression, read as `View`. */
function lanes<T>(View: new (buffer: ArrayBuffer, offset: number, length: number) => T, value: Expression<"v128">): T {
  const module = new ModuleBuilder();
  module.function([], (f) => f.storeV128(64, value), { export: "run" });
  instantiate(module)["run"]!();
  return new View(memory.buffer.slice(64, 80), 0, 16 / (View as unknown as typeof Int8Array).BYTES_PER_ELEMENT);
}

it("interleaved parts take turns statement by statement, loops and nested parts as one", () => {
  const code = (f: FunctionBuilder, log: Local<"i32">) => {
    const write = (digit: number) => f.set(log, i32.add(i32.mul(log, 10), digit));
    f.interleave([
      () => [1, 2, 3].forEach(write),
      () => {
        f.for({ from: 0, to: 2 }, () => write(4));
        f.interleave([() => write(5), () => write(6)]);
      },
    ]);
    write(7);
    f.return(log);
  };
  // The loop's counter is set in a statement of its own.
  expect(run("i32", (f) => code(f, f.i32(0)), 0, 0)).toBe(12443567);
});

describe("scalar expressions", () => {
  it("compute what their names say", () => {
    expect(run("i32", (f, x, y) => f.return(i32.add(i32.mul(x, 3), i32.sub(y, 1))), 5, 7)).toBe(21);
    expect(run("i32", (f, x, y) => f.return(i32.divS(x, y)), -7, 2)).toBe(-3);
    expect(run("i32", (f, x, y) => f.return(i32.remU(x, y)), 17, 5)).toBe(2);
  });

  it("encode every magnitude of constant", () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 1e6, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(run("i32", (f) => f.return(i32.const(value)), 0, 0)).toBe(value);
    }
    expect(run("f32", (f) => f.return(f32.of(-0)), 0, 0)).toBe(-0);
    expect(run("f64", (f) => f.return(f64.const(Math.PI)), 0, 0)).toBe(Math.PI);
  });

  it("fold constant address arithmetic", () => {
    expect(i32.add(3, i32.mul(4, 5)).constant).toBe(23);
    expect(run("i32", (f, x) => f.return(i32.add(0, i32.mul(1, x))), 9, 0)).toBe(9);
    expect(i32.mul(i32.load(0), 0).constant).toBe(0);
  });

  it("choose with select and keep with tee", () => {
    const body = (f: FunctionBuilder, x: Local<"i32">) => {
      const kept = f.local("i32");
      f.return(select(i32.gtS(kept, 3), tee(kept, i32.add(x, 1)), i32.const(-1)));
    };
    expect(run("i32", body, 5, 0)).toBe(6);
    expect(run("i32", body, 1, 0)).toBe(-1);
  });
});

describe("control flow", () => {
  it("a for loop visits from..to-1, and nothing when empty", () => {
    const sum = (f: FunctionBuilder, from: Local<"i32">, to: Local<"i32">) => {
      const total = f.i32(0);
      f.for({ from, to, step: 3 }, (i) => f.increment(total, i));
      f.return(total);
    };
    expect(run("i32", sum, 0, 10)).toBe(18);
    expect(run("i32", sum, 5, 5)).toBe(0);
    expect(run("i32", sum, 5, -5)).toBe(0);
  });

  it("branches reach the label they name from any depth", () => {
    const body = (f: FunctionBuilder, x: Local<"i32">) => {
      const n = f.i32(0);
      f.block((done) => {
        f.loop((again) => {
          f.increment(n, 1);
          f.if(i32.eq(n, x), () => f.branch(done));
          f.branch(again);
        });
      });
      f.return(n);
    };
    expect(run("i32", body, 7, 0)).toBe(7);
  });

  it("an if has two arms", () => {
    const body = (f: FunctionBuilder, x: Local<"i32">) => {
      const y = f.local("i32");
      f.if(
        i32.ltS(x, 0),
        () => f.set(y, i32.const(-1)),
        () => f.set(y, i32.const(1)),
      );
      f.return(y);
    };
    expect(run("i32", body, -4, 0)).toBe(-1);
    expect(run("i32", body, 4, 0)).toBe(1);
  });

  it("functions call one another", () => {
    const module = new ModuleBuilder();
    const square = module.function(["i32"], (f, [x]) => f.storeI32(64, i32.mul(x, x)));
    const body = (f: FunctionBuilder, [x]: readonly Local<"i32">[]) => {
      f.call(square, x!);
      f.return(i32.add(i32.load(64), 1));
    };
    module.function(["i32"], body, { export: "run", result: "i32" });
    expect(instantiate(module)["run"]!(6)).toBe(37);
  });
});

describe("memory", () => {
  it("loads and stores at constant offsets, and copies and fills ranges", () => {
    const module = new ModuleBuilder();
    module.function(
      ["i32"],
      (f, [p]) => {
        f.storeF32(p, 1.5, 4);
        f.storeF32(p, f32.load(p, 4), 8);
        f.storeI8(p, 255, 300);
        f.memoryCopy(i32.add(p, 16), p, 12);
        f.memoryFill(i32.add(p, 32), 7, 4);
      },
      { export: "run" },
    );
    instantiate(module)["run"]!(1024);
    const view = new DataView(memory.buffer, 1024);
    expect(view.getFloat32(8, true)).toBe(1.5);
    expect(view.getFloat32(24, true)).toBe(1.5);
    expect(view.getUint8(300)).toBe(255);
    expect(view.getUint32(32, true)).toBe(0x07070707);
  });

  it("loads and stores single lanes", () => {
    const module = new ModuleBuilder();
    const x = f32x4.const([1, 2, 3, 4]);
    module.function(
      [],
      (f) => {
        f.storeLane32(2048, x, { lane: 2 });
        f.storeLane64(2048, x, { lane: 1, offset: 8 });
        f.storeV128(2064, v128.load32Lane(x, 0, { address: 2048, offset: 12 }));
      },
      { export: "run" },
    );
    instantiate(module)["run"]!();
    const floats = new Float32Array(memory.buffer, 2048, 8);
    expect([floats[0], floats[2], floats[3]]).toEqual([3, 3, 4]);
    expect([...floats.slice(4)]).toEqual([4, 2, 3, 4]);
  });
});

describe("vector expressions", () => {
  const x = f32x4.const([1, -2, 3.5, NaN]);
  const y = f32x4.const([2, 2, -1, 1]);

  it("work lane by lane", () => {
    expect([...lanes(Float32Array, f32x4.add(x, y))]).toEqual([3, 0, 2.5, NaN]);
    expect([...lanes(Float32Array, f32x4.max(x, y))]).toEqual([2, 2, 3.5, NaN]);
    expect([...lanes(Float32Array, f32x4.pmax(y, x))]).toEqual([2, 2, 3.5, 1]);
    expect([...lanes(Float32Array, f32x4.nearest(f32x4.const([0.5, 1.5, -2.5, 3])))]).toEqual([0, 2, -2, 3]);
    expect([...lanes(Int32Array, f32x4.lt(x, y))]).toEqual([-1, -1, 0, 0]);
    expect([...lanes(Int32Array, i32x4.truncF32x4S(x))]).toEqual([1, -2, 3, 0]);
    expect([...lanes(Float32Array, v128.bitselect(x, y, f32x4.lt(x, y)))]).toEqual([1, -2, -1, 1]);
    expect([...lanes(Int32Array, i32x4.shl(i32x4.const([1, 2, 3, -4]), 2))]).toEqual([4, 8, 12, -16]);
    expect([...lanes(Int32Array, i32x4.mul(i32x4.splat(3), i32x4.const([1, 2, 3, 4])))]).toEqual([3, 6, 9, 12]);
  });

  it("move lanes", () => {
    expect([...lanes(Float32Array, i32x4.shuffle(y, x, [0, 4, 1, 5]))]).toEqual([2, 1, 2, -2]);
    expect(run("f32", (f) => f.return(f32x4.extractLane(y, 2)), 0, 0)).toBe(-1);
  });

  it.skipIf(!hasRelaxedSimd())("multiply and add (skipped where the engine has no relaxed SIMD)", () => {
    const result = lanes(Float32Array, f32x4.relaxedMadd(f32x4.splat(2), y, f32x4.splat(1)));
    expect([...result]).toEqual([5, 5, -1, 3]);
  });
});
