/** Single operations; those that keep the shape feed their result to the next run. */
import type { Tensor } from "@weft/tensor";
import { compile, softmax } from "@weft/tensor";
import type { Inputs } from "../inputs.ts";
import type { Run } from "../serve.ts";
import { tensorsOf } from "./train.ts";

/** By name, without the size. */
export const kernels: Readonly<Record<string, (inputs: Inputs) => Run>> = {
  matmul: repeated((x, { w }) => x.matmul(w!)),
  "x*y+x": repeated((x, { y }) => x.mul(y!).add(x)),
  tanh: repeated((x) => x.tanh()),
  "softmax of rows": repeated((x) => softmax(x)),
  sum: reduced((x) => x.sum()),
  "column sums": reduced((x) => x.sum({ axis: 0 })),
};

type Operands = Readonly<Record<string, Tensor>>;

function repeated(operation: (x: Tensor, others: Operands) => Tensor): (inputs: Inputs) => Run {
  return (inputs) => {
    const { x: first, ...others } = tensorsOf(inputs.data);
    let x = first!;
    const step = compile((current: Tensor, fixed: Operands) => [operation(current, fixed), fixed] as const, {
      donate: [0, 1],
    });
    let fixed: Operands = others;
    return (times) => {
      for (let i = 0; i < times; i++) [x, fixed] = step(x, fixed);
      return x.reshape([-1]).at(0).itemSync();
    };
  };
}

function reduced(operation: (x: Tensor) => Tensor): (inputs: Inputs) => Run {
  return (inputs) => {
    let x = tensorsOf(inputs.data)["x"]!;
    const step = compile((current: Tensor) => [operation(current), current] as const, { donate: [0] });
    return (times) => {
      let result = x;
      for (let i = 0; i < times; i++) [result, x] = step(x);
      return result.reshape([-1]).at(0).itemSync();
    };
  };
}
