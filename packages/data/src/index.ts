/** Datasets, batching, partitioners and loaders, as Node has them: see README.md. */
export * from "./portable.ts";
export { mnist } from "./mnist.ts";
export { digits } from "./digits.ts";
export { loadPath } from "./loadPath.ts";
export type { DataModule } from "./loadModule.ts";
export { loadTokenizer, mobyDick, saveTokenizer, textFile } from "./text/textFile.ts";
export { csv } from "./sources/csv.ts";
export type { CsvOptions } from "./sources/csv.ts";
export { fashionMnist, idx } from "./sources/idx.ts";
export type { IdxOptions } from "./sources/idx.ts";
export { imageFolder } from "./sources/imageFolder.ts";
export type { ImageFolderOptions } from "./sources/imageFolder.ts";
