/** Hands events to listeners; what happened before a listener came and still matters is given to it first. */
import type { Logger } from "pino";
import type { CoordinatorEvent, CoordinatorListener } from "./events.ts";

export function createEvents(log: Logger) {
  const listeners = new Set<CoordinatorListener>();
  const lasting: CoordinatorEvent[] = [];
  const tell = (listener: CoordinatorListener, event: CoordinatorEvent) => {
    try {
      listener(event);
    } catch (error) {
      log.error({ err: error, event: event.event }, "a listener failed");
    }
  };
  return {
    emit: (event: CoordinatorEvent): void => {
      if (event.event === "round") log.debug(event);
      else if (event.event === "closedShort") log.warn(event);
      else log.info(event);
      if (event.event === "listening" || event.event === "recovered") lasting.push(event);
      for (const listener of listeners) tell(listener, event);
    },

    on: (listener: CoordinatorListener): (() => void) => {
      listeners.add(listener);
      for (const event of lasting) tell(listener, event);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
