import { isOnecopyError } from '#base/errors';

/** What could be read; undefined where that failed, which is a finding of its own. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
