/** The plain data that names an optimiser: what a job carries from the one who writes it to those who run it. */

/** Every setting is written out, so that a stored job means the same when a default changes. */
export type OptimizerSpec = SgdSpec | AdagradSpec | RmspropSpec | AdamSpec;

export interface SgdSpec {
  readonly name: "sgd";
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

export interface AdagradSpec {
  readonly name: "adagrad";
  readonly learningRate: number;
  readonly epsilon: number;
}

export interface RmspropSpec {
  readonly name: "rmsprop";
  readonly learningRate: number;
  readonly decay: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly centered: boolean;
}

export interface AdamSpec {
  readonly name: "adam";
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}
