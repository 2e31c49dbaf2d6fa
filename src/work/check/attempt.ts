import { isOnecopyError } from '#base/errors';

/** The result of a read; undefined after a failure, which is reported separately. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
