/** A Program compiled for the engine: copies inputs in, runs the plan's steps, copies results out. */
import type { Executable, Resident, TensorData } from "@weft/tensor";
import { DonatedError, ShapeError, arrayOf, copyInto, isResident } from "@weft/tensor";
import type { BoundSteps, Engine } from "./engine.ts";
import type { PlacedValue, Plan, PlanOutput } from "./plan.ts";
import { storedBytes } from "./plan.ts";

export class WasmExecutable implements Executable {
  readonly #engine: Engine;
  readonly #plan: Plan;
  readonly #base: number;
  readonly #steps: BoundSteps;
  #lent: WasmResident[] = [];
  #disposed = false;
  readonly #onDispose: () => void;

  /** `base` is the address of a region of `plan.bytes` bytes, which the executable gives back when it is disposed of. */
  constructor(engine: Engine, plan: Plan, base: number, onDispose: () => void = () => undefined) {
    this.#onDispose = onDispose;
    this.#engine = engine;
    this.#plan = plan;
    this.#base = base;
    for (const { offset, data } of plan.literals) engine.write(base + offset, data);
    this.#steps = engine.bind(plan.steps);
  }

  run(inputs: readonly (TensorData | Resident)[]): (TensorData | Resident)[] {
    if (this.#disposed)
      throw new DonatedError("expected a live executable, got one that was disposed of; compile again");
    this.#copyIn(inputs);
    for (const resident of this.#lent) resident.overwrite();
    for (const call of this.#steps.calls) call();
    const outputs = this.#plan.outputs.map((output) => this.#copyOut(output));
    this.#lent = outputs.filter((output) => output instanceof WasmResident);
    return outputs;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const resident of this.#lent) resident.moveOut();
    this.#steps.release();
    this.#engine.regions.release(this.#base, this.#plan.bytes);
    this.#onDispose();
  }

  #copyIn(inputs: readonly (TensorData | Resident)[]): void {
    if (inputs.length !== this.#plan.inputs.length) {
      throw new ShapeError(`run: expected ${this.#plan.inputs.length} inputs, got ${inputs.length}; pass one for each`);
    }
    // A value that lies in this arena, but elsewhere than it is wanted, is saved before anything is overwritten.
    const saved = inputs.map((input, i) => {
      const isOwn = input instanceof WasmResident && this.#lent.includes(input);
      return isOwn && input.address !== this.#place(i).offset ? input.read() : input;
    });
    saved.forEach((input, i) => {
      const place = this.#place(i);
      if (input instanceof WasmResident && input.isIn(this.#engine) && input.fits(place)) {
        this.#engine.copy(input.address, place.offset, place.size * storedBytes(place.dtype));
      } else {
        this.#write(i, isResident(input) ? input.read() : input);
      }
    });
  }

  #write(input: number, data: TensorData): void {
    const place = this.#place(input);
    if (!(data instanceof arrayOf[place.dtype]) || data.length !== place.size) {
      throw new ShapeError(
        `run: input ${input} must be a ${arrayOf[place.dtype].name} of ${place.size} elements, got a ${data.constructor.name} of ${data.length}; compile for its type`,
      );
    }
    this.#engine.write(place.offset, place.dtype === "f16" ? Float32Array.from(data) : data);
  }

  #copyOut(output: PlanOutput): TensorData | Resident {
    const place = { ...output, offset: output.offset + this.#base };
    return output.alias === undefined ? this.#engine.read(place) : new WasmResident(this.#engine, place);
  }

  #place(input: number): PlacedValue {
    const place = this.#plan.inputs[input]!;
    return { ...place, offset: place.offset + this.#base };
  }
}

class WasmResident implements Resident {
  readonly #engine: Engine;
  readonly #place: PlacedValue;
  #state: "in place" | "overwritten" | TensorData = "in place";

  constructor(engine: Engine, place: PlacedValue) {
    this.#engine = engine;
    this.#place = place;
  }

  get address(): number {
    return this.#place.offset;
  }

  /** Whether the value still lies in the engine's memory; throws when it is lost. */
  isIn(engine: Engine): boolean {
    this.#assertKept();
    return this.#engine === engine && this.#state === "in place";
  }

  fits({ dtype, size }: PlacedValue): boolean {
    return this.#place.dtype === dtype && this.#place.size === size;
  }

  read(): TensorData {
    this.#assertKept();
    return typeof this.#state === "string" ? this.#engine.read(this.#place) : this.#state.slice();
  }

  readInto(out: TensorData): void {
    const lies = this.isIn(this.#engine) && this.#place.dtype !== "f16";
    copyInto(out, lies ? this.#engine.view(this.#place) : this.read());
  }

  overwrite(): void {
    if (this.#state === "in place") this.#state = "overwritten";
  }

  /** Keeps the value when its memory is given back. */
  moveOut(): void {
    if (this.#state === "in place") this.#state = this.#engine.read(this.#place);
  }

  #assertKept(): void {
    if (this.#state !== "overwritten") return;
    throw new DonatedError(
      "expected a value that is still there, got one that a later run of the compiled step has overwritten; read it before, or do not donate it",
    );
  }
}
