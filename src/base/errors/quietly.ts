import { isOnecopyError } from './classes.ts';

/** Does work that nothing depends on. @returns undefined if it fails with an error of onecopy; other errors are faults, and are thrown */
export function quietly<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
