import { FormatError } from '#base/errors';
import type { ReflinkPolicy } from '#work/pull-image';

/** What is wrong with a digest on the command line; undefined when nothing is. */
export function refuseDigest(text: string): string | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return "missing ':' in digest";
  const length = { sha256: 64, sha512: 128 }[text.slice(0, colon)];
  if (length === undefined) return 'unknown digest algorithm';
  return /^[0-9a-f]+$/.test(text.slice(colon + 1)) && text.length === colon + 1 + length
    ? undefined
    : 'malformed digest';
}

/** How files of podman's store become objects, by the words of `--local-fetch` and of varlink; other words copy. */
const LOCAL_FETCH: ReadonlyMap<string, ReflinkPolicy> = new Map([
  ['auto', 'auto'],
  ['if-possible', 'auto'],
  ['zerocopy', 'always'],
  ['zero-copy', 'always'],
]);

/** The policy that a word names. */
export function localFetch(word: string): ReflinkPolicy {
  return LOCAL_FETCH.get(word) ?? 'never';
}

/** What is wrong with the name of an image on the command line: after @ there is a digest. */
export function refuseAfterAt(text: string): string | undefined {
  const isWrong = text.startsWith('@') && refuseDigest(text.slice(1)) !== undefined;
  return isWrong ? "Invalid OCI digest after '@'" : undefined;
}

/** What is wrong with an object id; undefined when nothing is. */
export function refuseObjectId(text: string, algorithm: 'sha256' | 'sha512'): string | undefined {
  if (text.length !== (algorithm === 'sha256' ? 64 : 128)) return 'Invalid string length';
  return /^[0-9a-f]+$/.test(text) ? undefined : 'Invalid character';
}

/** @throws FormatError DIGEST_INVALID */
export function requireObjectId(text: string, algorithm: 'sha256' | 'sha512', what: string): void {
  if (refuseObjectId(text, algorithm) === undefined) return;
  const digits = algorithm === 'sha256' ? 64 : 128;
  throw new FormatError(
    'DIGEST_INVALID',
    `Cannot read ${what}: expected ${digits} hexadecimal digits, found "${text}"`,
    { offset: 0, what },
  );
}
