/** An answer of the API that is not the one asked for. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  override get name(): string {
    return "ApiError";
  }
}
