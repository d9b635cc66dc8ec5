/** Structured logs on standard error, chosen by WEFT_LOG: "info", "debug", or topics as in "round,wire:debug". */
import type { Logger } from "pino";
import pino from "pino";

/** `topic` names every child that modules make: round, wire, store, worker. */
export function createLog(setting = process.env["WEFT_LOG"]): Logger {
  if (setting === undefined || setting === "") return pino({ level: "silent" });
  const [topics = "", level] = setting.split(":");
  const levels = Object.keys(pino.levels.values);
  const destination = pino.destination({ dest: 2, sync: true });
  if (level === undefined && levels.includes(topics)) return pino({ level: topics }, destination);
  const chosen = new Set(topics.split(","));
  const root = pino({ level: "silent", onChild: (child) => setLevel(child, chosen, level ?? "info") }, destination);
  return root;
}

function setLevel(child: Logger, topics: ReadonlySet<string>, level: string): void {
  const { topic } = child.bindings();
  if (typeof topic === "string" && topics.has(topic)) child.level = level;
}
