/**
 * Runs `work` over all items, at most `limit` at once, and returns the results in the order of the items. After a failure, no further item
 * is started; the failure is thrown when the running items have settled.
 */
export async function pool<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let failure: { error: unknown } | undefined;
  const lane = async () => {
    while (failure === undefined) {
      const next = iterator.next();
      if (next.done === true) return;
      const at = index++;
      try {
        results[at] = await work(next.value, at);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
  if (failure !== undefined) throw failure.error;
  return results;
}
