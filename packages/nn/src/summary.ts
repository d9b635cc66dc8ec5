/** What a model looks like, as a table or as data; an export of its own: `@weft/nn/summary`. */
export { summarize, summaryLine } from "./summarize.ts";
export type { LayerSummary, ModelSummary, SummaryOptions } from "./summarize.ts";
export { summary } from "./summaryTable.ts";
