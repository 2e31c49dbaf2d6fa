import { UsageError } from '#base/errors';

/** Versions of EROFS images. */
export const VERSIONS: readonly string[] = ['0', '1', '2'];

/** A version of EROFS images. @throws UsageError */
export function takeVersion(text: string): number {
  if (VERSIONS.includes(text)) return Number(text);
  throw new UsageError(`Cannot read --erofs-version: expected 0, 1 or 2, found "${text}"`);
}
