/** Datasets, batching, partitioners and loaders, as Node has them: see README.md. */
export * from "./portable.ts";
export { mnist } from "./mnist.ts";
export { digits } from "./digits.ts";
export { loadPath } from "./loadPath.ts";
export type { DataModule } from "./loadModule.ts";
export { loadTokenizer, mobyDick, saveTokenizer, textFile } from "./text/textFile.ts";
