/** What a compiler would have said of a definition: job files run as they are, in JavaScript or in TypeScript that nobody checked. */
/** Where other libraries have it, and where it is here. */
const elsewhere: Readonly<Record<string, string>> = {
  optimizer: "it goes into the round: dataParallel({ batchSize, optimizer })",
  batchSize: "it goes into the round: dataParallel({ batchSize, optimizer })",
  epochs: "it goes into stop: { epochs }",
  rounds: "it goes into stop: { rounds }",
  callbacks: "it is an option of fit",
  validation: "it is an option of fit",
};

/**
 * What is wrong, in a sentence with its remedy; undefined where every part is of its kind.
 *
 * @param parts the names that a definition may have
 */
export function misfitOf(definition: object, parts: readonly string[]): string | undefined {
  const given = definition as Readonly<Record<string, unknown>>;
  const { data, model, loss, metrics = {}, round, stop, augment = [] } = given;
  const unknown = Object.keys(given).find((key) => !parts.includes(key));
  if (unknown !== undefined) {
    return `there is no ${unknown} in a job; ${elsewhere[unknown] ?? `expected only ${parts.join(", ")}`}`;
  }
  if (!has(data, "load", isFunction)) {
    const call =
      isFunction(data) && data.name !== ""
        ? `; call it: ${data.name}(…)`
        : "; such as mnist() or csv(path, { target })";
    return `data is ${textOf(data)}, expected a source of data${call}`;
  }
  if (!has(model, "build", isFunction)) return `model is ${textOf(model)}, expected a layer, such as sequential(…)`;
  if (!isFunction(loss)) return `loss is ${textOf(loss)}, expected a function, such as softmaxCrossEntropy of @weft/nn`;
  const isNamed = typeof metrics === "object" && metrics !== null && !Array.isArray(metrics);
  if (!isNamed || !Object.values(metrics).every(isFunction)) {
    return `metrics is ${textOf(metrics)}, expected functions by name, such as { accuracy }`;
  }
  if (!has(round, "work", (work) => typeof work === "object")) {
    return `round is ${textOf(round)}, expected dataParallel({ batchSize, optimizer }) or federated({ … })`;
  }
  if (typeof stop !== "object" || stop === null) {
    return `stop is ${textOf(stop)}; give stop: { epochs }, { rounds } or { target }`;
  }
  if (![augment].flat().every(isFunction)) {
    return `augment is ${textOf(augment)}, expected functions, such as shift({ pixels: 2 }) or [flip(), noise({ std: 0.1 })]`;
  }
  return undefined;
}

type Named = (...values: never[]) => unknown;
const isFunction = (value: unknown): value is Named => typeof value === "function";

function has(value: unknown, key: string, check: (part: unknown) => boolean): boolean {
  return typeof value === "object" && value !== null && check((value as Readonly<Record<string, unknown>>)[key]);
}

function textOf(value: unknown): string {
  if (value instanceof Promise) return "a promise (await it)";
  if (Array.isArray(value)) return "a list";
  if (isFunction(value)) return "a function";
  return typeof value === "string"
    ? JSON.stringify(value)
    : value === null || typeof value !== "object"
      ? String(value)
      : "an object";
}
