/** Loops: carries, slices, constants, both directions, loops in loops. */
import type { ScanParams, Tensor, TensorType } from "@weft/tensor";
import { bind, bindAll, scan as scanOf, trace, valueAndGrad } from "@weft/tensor";
import type { Case } from "./case.ts";
import { accumulated, sample } from "./case.ts";

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });

/** A scan whose body is traced here. */
function loop(
  body: (...values: Tensor[]) => readonly Tensor[],
  types: readonly TensorType[],
  params: Omit<ScanParams, "body">,
): (...inputs: Tensor[]) => Tensor[] {
  const program = trace(body, types);
  return (...inputs) => bindAll("scan", inputs, { ...params, body: program });
}

const runningSum = (length: number, reverse: boolean) =>
  loop((total, x) => [total.add(x), total.mul(2)], [f32(3), f32(3)], { length, constants: 0, carry: 1, reverse });

/** h ← tanh(x·wx + h·wh + b), all h kept. */
const recurrent = (length: number, reverse: boolean) =>
  loop(
    (wx, wh, b, h, x) => {
      const next = x.matmul(wx).add(h.matmul(wh)).add(b).tanh();
      return [next, next];
    },
    [f32(4, 5), f32(5, 5), f32(5), f32(2, 5), f32(2, 4)],
    { length, constants: 3, carry: 1, reverse },
  );

export const scanCases: readonly Case[] = [
  ...[false, true].flatMap((reverse): Case[] => [
    {
      claim: `scan of a running sum${reverse ? " from the end" : ""}`,
      fn: runningSum(7, reverse),
      inputs: [[sample([3]), sample([7, 3])]],
    },
    {
      claim: `scan of a recurrent layer${reverse ? " from the end" : ""}`,
      fn: recurrent(6, reverse),
      inputs: [[sample([4, 5]), sample([5, 5]), sample([5]), sample([2, 5]), sample([6, 2, 4])]],
      tolerance: accumulated,
    },
  ]),
  { claim: "scan of one step", fn: runningSum(1, false), inputs: [[sample([3]), sample([1, 3])]] },
  { claim: "scan of no step", fn: runningSum(0, false), inputs: [[sample([3]), sample([0, 3])]] },
  {
    claim: "scan of two carries that change places, of two dtypes",
    fn: loop((a, b, n) => [b.mul(0.5), a.add(b), n.add(1)], [f32(5), f32(5), { shape: [], dtype: "i32" }], {
      length: 9,
      constants: 0,
      carry: 3,
      reverse: false,
    }),
    inputs: [[sample([5]), sample([5]), sample([], "i32")]],
    tolerance: accumulated,
  },
  {
    claim: "scan whose carry and results are not touched by the body",
    fn: loop((constant, kept, x) => [kept, x, constant], [f32(2), f32(3), f32(4)], {
      length: 3,
      constants: 1,
      carry: 1,
      reverse: false,
    }),
    inputs: [[sample([2]), sample([3]), sample([3, 4])]],
  },
  {
    claim: "scan without carry, which maps",
    fn: loop((w, x) => [w.matmul(x).relu()], [f32(3, 4), f32(4)], {
      length: 5,
      constants: 1,
      carry: 0,
      reverse: false,
    }),
    inputs: [[sample([3, 4]), sample([5, 4])]],
    tolerance: accumulated,
  },
  {
    claim: "scan inside scan",
    fn: loop(
      (total, row) => {
        const inner = loop((t, x) => [t.mul(0.5).add(x)], [f32(), f32()], {
          length: 4,
          constants: 0,
          carry: 1,
          reverse: false,
        });
        const [last] = inner(total, row);
        return [last!, last!.mul(row)];
      },
      [f32(), f32(4)],
      { length: 3, constants: 0, carry: 1, reverse: true },
    ),
    inputs: [[sample([]), sample([3, 4])]],
    tolerance: accumulated,
  },
  {
    claim: "scan with its gradient by weights, state and input",
    fn: (wx, wh, b, h, xs) => {
      const loss = (...[kx, kh, bias, start, rows]: readonly Tensor[]) => {
        const step = (state: Tensor, x: Tensor) => {
          const next = x.matmul(kx!).add(state.matmul(kh!)).add(bias!).tanh();
          return [next, next.mul(state)] as const;
        };
        const [last, all] = scanOf(step, start!, rows!);
        return last.sum().add(all.square().sum());
      };
      const [value, gradients] = valueAndGrad(loss, { argument: [0, 1, 2, 3, 4] })(wx, wh, b, h, xs);
      return [value, ...gradients];
    },
    inputs: [[sample([4, 5]), sample([5, 5]), sample([5]), sample([2, 5]), sample([6, 2, 4])]],
    tolerance: { relative: 1e-4, absolute: 1e-4 },
  },
  {
    claim: "scan between other work",
    fn: (h, xs) => {
      const [last, all] = runningSum(5, false)(h.exp(), bind("transpose", [xs], { permutation: [1, 0] }));
      return [last!.sum(), all!.relu().sum({ axis: 0 })];
    },
    inputs: [[sample([3]), sample([3, 5])]],
    tolerance: accumulated,
  },
];
