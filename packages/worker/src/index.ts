/** The worker in Node: see README.md. */
export type { Answer, ExampleAccess, OrderContext, TrainingOrder } from "./answerOrder.ts";
export { answerOrder } from "./answerOrder.ts";
export { encodeUpdate } from "./encodeUpdate.ts";
export * from "./errors.ts";
export { divideRows } from "./heldOut.ts";
export type { WorkerEvent, WorkerOutcome } from "./events.ts";
export type { CheckedJob, WorkerPolicy } from "./job.ts";
export { checkJob, defaultPolicy } from "./job.ts";
export { programFor } from "./gradientStep.ts";
export { LocalState, type StateSnapshot, type StateVectors, type UpdateName } from "./localState.ts";
export type { ModelInTraining, StartTraining } from "./modelInTraining.ts";
export { createTraining } from "./modelInTraining.ts";
export type { WorkerOptions } from "./options.ts";
export { prepareJob } from "./preparedJobs.ts";
export { createTrainer } from "./trainer.ts";
export type { ExampleRows, ExampleSums, LocalWork, Trainer } from "./training.ts";
export { startWorker } from "./worker.ts";
export type { WorkerHandle } from "./worker.ts";
