import { isOnecopyError } from '#base/errors';

/** The code of the error that some work ends with, or `accepted`. Throws what is no error of ours. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'accepted';
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return error.code;
  }
}
