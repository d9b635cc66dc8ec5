/** Donated inputs: results stay in place, can be read, are fed back, and are known to be gone once overwritten. */
import type { Backend, Resident, TensorData } from "@weft/tensor";
import { allocate, isResident, trace } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { describe, expect, it } from "vitest";

const type = { shape: [5], dtype: "f32" } as const;
const start = () => new Float32Array([1, 2, 3, 4, 5]);
/** (w, x) → (w + x, Σ w) */
const program = trace((w, x) => [w.add(x), w.sum()], [type, type]);
/** (a, b) → (b + 1, a · 2): each result in the place of the other's source. */
const crossed = trace((a, b) => [b.add(1), a.mul(2)], [type, type]);

export function aliasSuite(backend: Backend): void {
  describe("donated inputs", () => {
    it("leave the result in their place, and feeding it back goes on from there", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      let w: TensorData | Resident = start();
      const totals: number[] = [];
      for (let step = 0; step < 4; step++) {
        const [next, total] = await executable.run([w, new Float32Array([1, 1, 1, 1, 1])]);
        totals.push((total as TensorData)[0]!);
        w = next!;
      }
      expect(isResident(w)).toBe(true);
      expect(totals).toEqual([15, 20, 25, 30]);
      expect([...(w as Resident).read()]).toEqual([5, 6, 7, 8, 9]);
      expect([...(w as Resident).read()], "reading does not consume").toEqual([5, 6, 7, 8, 9]);
    });

    it("are gone once a later run has overwritten them", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      const [first] = await executable.run([start(), start()]);
      await executable.run([first!, start()]);
      expect(() => (first as Resident).read()).toThrow(expect.objectContaining({ code: "donated" }));
    });

    it("are read into memory that is there, also part of a larger array, as often as one likes", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      const [w] = (await executable.run([start(), start()])) as [Resident];
      const room = new Float32Array(8).fill(-1);
      w.readInto(room.subarray(2, 7));
      expect([...room]).toEqual([-1, -1, 2, 4, 6, 8, 10, -1]);
      const shared = new Float32Array(new SharedArrayBuffer(20));
      w.readInto(shared);
      expect([...shared]).toEqual([2, 4, 6, 8, 10]);
      expect([...w.read()], "what was read into is the reader's own").toEqual([2, 4, 6, 8, 10]);
    });

    it.each(["f32", "f16", "i32", "u32", "bool"] as const)("are read into memory of their dtype: %s", async (dtype) => {
      const one = { shape: [3], dtype };
      const given = trace((x) => x.flip(), [one]);
      const executable = backend.compile(given, { aliases: new Map([[0, 0]]) });
      const values = allocate(dtype, 3);
      values.set([1, 0, 1]);
      const [resident] = (await executable.run([values])) as [Resident];
      const out = allocate(dtype, 3).fill(7);
      resident.readInto(out);
      expect([...out]).toEqual([1, 0, 1]);
      expect(out).toEqual(resident.read());
    });

    it("are not read into memory of another length or dtype, which is told", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      const [w] = (await executable.run([start(), start()])) as [Resident];
      const short = new Float32Array(4).fill(-1);
      const message = "expected a Float32Array of 5 elements to read into, got a ";
      const refusal = (got: string) =>
        expect.objectContaining({ code: "shape", message: expect.stringContaining(message + got) as string }) as Error;
      expect(() => w.readInto(short)).toThrow(refusal("Float32Array of 4 elements"));
      expect([...short], "nothing is written").toEqual([-1, -1, -1, -1]);
      expect(() => w.readInto(new Float32Array(6))).toThrow(refusal("Float32Array of 6 elements"));
      expect(() => w.readInto(new Int32Array(5))).toThrow(refusal("Int32Array of 5 elements"));
    });

    it("are not read into memory once they are overwritten, but after their executable was disposed of", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      const [first] = (await executable.run([start(), start()])) as [Resident];
      const [second] = (await executable.run([first, start()])) as [Resident];
      const out = new Float32Array(5);
      expect(() => first.readInto(out)).toThrow(expect.objectContaining({ code: "donated" }));
      expect([...out]).toEqual([0, 0, 0, 0, 0]);
      executable.dispose();
      second.readInto(out);
      expect([...out]).toEqual([3, 6, 9, 12, 15]);
      expect(() => second.readInto(new Float32Array(1))).toThrow(expect.objectContaining({ code: "shape" }));
    });

    it("may be replaced by a fresh array at any step", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      await executable.run([start(), start()]);
      const given = start();
      const [w] = await executable.run([given, start()]);
      expect([...(w as Resident).read()]).toEqual([2, 4, 6, 8, 10]);
      expect([...given], "the caller's array is not written to").toEqual([1, 2, 3, 4, 5]);
    });

    it("are read before they are overwritten, also where results change places", async () => {
      const executable = backend.compile(crossed, {
        aliases: new Map([
          [0, 0],
          [1, 1],
        ]),
      });
      let [a, b]: (TensorData | Resident)[] = [start(), new Float32Array([9, 9, 9, 9, 9])];
      for (let step = 0; step < 3; step++) [a, b] = await executable.run([a!, b!]);
      // (a, b) → (b + 1, 2a) three times: (2(b + 1) + 1, 2(2a + 1))
      expect([...(a as Resident).read()]).toEqual([21, 21, 21, 21, 21]);
      expect([...(b as Resident).read()]).toEqual([6, 10, 14, 18, 22]);
    });

    it("work in another place, in another executable and on another backend", async () => {
      const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
      const [own] = await executable.run([start(), start()]);
      const other = backend.compile(program);
      expect([...((await other.run([own!, own!]))[0] as TensorData)]).toEqual([4, 8, 12, 16, 20]);
      const reference = createReferenceBackend().compile(program, { aliases: new Map([[0, 0]]) });
      expect([...((await reference.run([start(), own!]))[0] as Resident).read()]).toEqual([3, 6, 9, 12, 15]);
      const [foreign] = await reference.run([start(), start()]);
      const [mixed] = await executable.run([foreign!, own!]);
      expect([...(mixed as Resident).read()]).toEqual([4, 8, 12, 16, 20]);
    });
  });
}
