import { FormatError } from '#base/errors';

/** fs-verity digest of an object, lower-case hex without prefix: 64 (SHA-256) or 128 (SHA-512) characters. */
export type ObjectId = string & { readonly __brand: 'ObjectId' };
/** OCI digest of stored bytes: `sha256:` (or `sha512:`) and lower-case hex. */
export type ContentDigest = string & { readonly __brand: 'ContentDigest' };
/** OCI digest of an uncompressed layer, same form as a content digest. */
export type DiffId = string & { readonly __brand: 'DiffId' };
/** OSTree's word for the id of its objects: 64 lower-case hex characters. */
export type OstreeChecksum = string & { readonly __brand: 'OstreeChecksum' };

/** Hash algorithms that may stand before the colon of an OCI digest, with the length of their hex. */
export const CONTENT_ALGORITHMS = { sha256: 64, sha384: 96, sha512: 128 } as const;
/** Name of a content digest algorithm, as node:crypto and OCI spell it. */
export type ContentAlgorithm = keyof typeof CONTENT_ALGORITHMS;

function fail(what: string, text: string, reason: string): never {
  throw new FormatError(
    'DIGEST_INVALID',
    `Cannot parse ${what} "${text.slice(0, 200)}": ${reason}`,
    {
      offset: 0,
      what,
      found: text.slice(0, 200),
    },
  );
}

/** True when `text` is a digest of a known algorithm in canonical form (OCI image-spec, descriptor, "Digests"). */
export function isContentDigest(text: string): text is ContentDigest {
  const match = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(text);
  return match !== null && match[2]?.length === CONTENT_ALGORITHMS[match[1] as ContentAlgorithm];
}

/** @throws FormatError DIGEST_INVALID */
export function parseContentDigest(text: string): ContentDigest {
  return isContentDigest(text)
    ? text
    : fail('content digest', text, 'expected sha256, sha384 or sha512, a colon and lower-case hex');
}

/** @throws FormatError DIGEST_INVALID */
export function parseDiffId(text: string): DiffId {
  return isContentDigest(text)
    ? (text as string as DiffId)
    : fail('diff id', text, 'expected sha256, sha384 or sha512, a colon and lower-case hex');
}

/** The algorithm before the colon. */
export function algorithmOf(digest: ContentDigest | DiffId): ContentAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as ContentAlgorithm;
}

/** The hex after the colon. */
export function hexOf(digest: ContentDigest | DiffId): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Accepts 64 or 128 hex characters, upper or lower case. @throws FormatError DIGEST_INVALID */
export function parseObjectId(text: string): ObjectId {
  return /^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{128})$/.test(text)
    ? (text.toLowerCase() as ObjectId)
    : fail('object id', text, 'expected 64 or 128 hex characters');
}

/** @throws FormatError DIGEST_INVALID */
export function parseOstreeChecksum(text: string): OstreeChecksum {
  return /^[0-9a-f]{64}$/.test(text)
    ? (text as OstreeChecksum)
    : fail('OSTree checksum', text, 'expected 64 lower-case hex characters');
}
