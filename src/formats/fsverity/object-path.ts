import { encodeHex, parseHex } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { ALGORITHMS, type VerityAlgorithm } from './layout.ts';

/** Path of an object below `objects/`: `ab/cdef…`. */
export function objectPath(id: ObjectId): string {
  return `${id.slice(0, 2)}/${id.slice(2)}`;
}

/** The algorithm whose digests have the length of this id. */
export function algorithmOfObject(id: ObjectId): VerityAlgorithm {
  return id.length === ALGORITHMS.sha256.digestBytes * 2 ? 'sha256' : 'sha512';
}

/** The raw digest bytes of an object id, as sections and xattrs store them. */
export function objectIdBytes(id: ObjectId): Uint8Array {
  return parseHex(id, id.length / 2, 'object id');
}

/** The object id of raw digest bytes (32 or 64 of them). */
export function objectIdOf(digest: Uint8Array): ObjectId {
  return encodeHex(digest) as ObjectId;
}

/**
 * Parses an object path. Only the end of the text counts, so `../objects/ab/cdef…` and `/ab/cdef…` parse too.
 * @throws FormatError DIGEST_INVALID: too short, then the slash, then a wrong character
 */
export function parseObjectPath(path: string, algorithm: VerityAlgorithm): ObjectId {
  const hexLength = ALGORITHMS[algorithm].digestBytes * 2;
  const fail = (reason: string, offset: number): never => {
    throw new FormatError(
      'DIGEST_INVALID',
      `Cannot parse object path "${path.slice(-200)}": ${reason}`,
      { offset, what: 'object path', found: path.slice(-200) },
    );
  };
  if (path.length < hexLength + 1) {
    fail(`expected at least ${hexLength + 1} characters, found ${path.length}`, path.length);
  }
  const tail = path.slice(-(hexLength + 1));
  const bad = tail.slice(0, 2).search(/[^0-9a-fA-F]/);
  if (bad >= 0) fail(`invalid character "${tail[bad]}" at ${bad}`, bad);
  if (tail[2] !== '/') fail(`invalid character "${tail[2]}" at 2`, 2);
  const rest = tail.slice(3).search(/[^0-9a-fA-F]/);
  if (rest >= 0) fail(`invalid character "${tail[rest + 3]}" at ${rest + 3}`, rest + 3);
  return (tail.slice(0, 2) + tail.slice(3)).toLowerCase() as ObjectId;
}
