/** Exit codes by cause, so that scripts can tell them apart; `weft --help` lists them. */
export const exitCodes = {
  success: 0,
  /** A defect of Weft: please report it. */
  unexpected: 1,
  usage: 2,
  job: 3,
  data: 4,
  network: 5,
  refused: 6,
  store: 7,
  interrupted: 130,
} as const;

/** A subcommand hands its exit code over with this. */
export type Finish = (exitCode: number) => void;

/** By the class of error, as `name` gives it; classes not named here are about the job. */
const codeOfName: Readonly<Record<string, number>> = {
  UsageError: exitCodes.usage,
  JobRefusedError: exitCodes.refused,
  AccessError: exitCodes.refused,
  ConnectionError: exitCodes.network,
  ListenError: exitCodes.network,
  StoreError: exitCodes.store,
  RunError: exitCodes.store,
  DataFileError: exitCodes.data,
  DataRangeError: exitCodes.data,
  ContractError: exitCodes.data,
};

/** Errors thrown on purpose carry a stable `code`; anything else is a defect. */
export function exitCodeOf(error: unknown): number {
  return isExpected(error) ? (codeOfName[error.name] ?? exitCodes.job) : exitCodes.unexpected;
}

/** One line for people; a stack only for defects, where it helps whoever mends them. */
export function errorText(error: unknown): string {
  if (isExpected(error)) return error.message;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a defect of weft, please report it:\n${text}`;
}

/** Packages below `tensor` have errors of the same shape with a base of their own; Node's carry codes in capitals. */
function isExpected(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string" && !/^[A-Z_]+$/.test(error.code);
}
