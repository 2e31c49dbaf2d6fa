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
