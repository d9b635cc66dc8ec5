/** The simulator: see README.md. */
export { prove, shorten, type Failure, type Proof } from "./proof/prove.ts";
export { drawSchedule, scheduleText, type Schedule } from "./proof/schedule.ts";
export { rightRules, type Rules } from "./proof/rules.ts";
export { play, type Played } from "./proof/world.ts";
export type { Fault, FaultName, Lie } from "./proof/faults.ts";
export { simulate, type SimulatedRound, type Simulation, type SimulationOptions } from "./research/simulate.ts";
export { usualMachines, type MachineModel, type Stay, type Stays } from "./research/machines.ts";
export { plotCurves, type Curve, type CurvePoint, type PlotOptions } from "./research/plot.ts";
export type { Compute } from "./compute/compute.ts";
export { computeHere } from "./compute/computeHere.ts";
export { startTrainerThreads, type TrainerThreads } from "./compute/trainerThreads.ts";
export { SimulationError } from "./errors.ts";
