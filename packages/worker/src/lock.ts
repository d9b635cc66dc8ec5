/** Mutual exclusion for asynchronous work on one thread. */

/** Runs the tasks given to it one after another, in order; a failed task does not stop the next. */
export function createLock(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task, task);
    last = result.catch(() => undefined);
    return result;
  };
}
