import { type ContentDigest, isContentDigest } from '#base/digest';
import { ConflictError, NotFoundError } from '#base/errors';
import { isStorageId } from '#formats/containers-storage';
import type { ImageRow, StoreSnapshot } from './snapshot.ts';

/** An image found by name, with the requested digest. */
export interface FoundImage extends ImageRow {
  /** Set for `NAME@DIGEST`: the requested manifest of the image. */
  readonly wanted: ContentDigest | undefined;
}

/** Maximum number of names that an error lists. */
const NAMES_MAX = 20;

/**
 * Finds the image of a reference: `@ID`, an id, `NAME[:TAG]`, `NAME@DIGEST`, the prefix of an id. A name without a tag means `latest`. A name
 * without a host is searched as written, on Docker Hub, under `localhost/`, and then as the end of exactly one image's name.
 * @throws NotFoundError TAG_NOT_FOUND; ConflictError IMAGE_AMBIGUOUS
 */
export function findImage(snapshot: StoreSnapshot, name: string, label: string): FoundImage {
  const { images } = snapshot;
  const byId = (id: string) => images.find(({ record }) => record.id === id);
  const id = name.startsWith('@') ? name.slice(1) : name;
  const exact = isStorageId(id) ? byId(id) : undefined;
  if (exact !== undefined) return { ...exact, wanted: undefined };
  const named = name.startsWith('@') ? undefined : findByName(images, name, label);
  if (named !== undefined) return named;
  const begun = /^[0-9a-f]{3,63}$/.test(id)
    ? images.filter((row) => row.record.id.startsWith(id))
    : [];
  const [only] = begun;
  if (only !== undefined && begun.length === 1) return { ...only, wanted: undefined };
  if (only !== undefined) throw ambiguous(name, label, begun);
  throw notFound(name, label, images);
}

/** All manifest digests of an image. */
export function digestsOf({ record }: ImageRow): readonly ContentDigest[] {
  const kept = [...record.bigDataDigests]
    .filter(([key]) => key.startsWith('manifest'))
    .map(([, digest]) => digest);
  return record.digest === undefined ? kept : [record.digest, ...kept];
}

function findByName(
  images: readonly ImageRow[],
  name: string,
  label: string,
): FoundImage | undefined {
  const at = name.lastIndexOf('@');
  const digest = at > 0 ? name.slice(at + 1) : undefined;
  if (digest !== undefined && isContentDigest(digest)) {
    return findByDigest(images, name.slice(0, at), digest);
  }
  if (digest !== undefined && isStorageId(digest)) {
    const found = findByName(images, name.slice(0, at), label);
    return found?.record.id === digest ? found : undefined;
  }
  const tagged = hasTag(name) ? name : `${name}:latest`;
  const slashes = name.split('/').length - 1;
  const candidates = [
    name,
    tagged,
    ...(slashes === 0 ? [`docker.io/library/${tagged}`] : []),
    ...(slashes === 1 ? [`docker.io/${tagged}`] : []),
    `localhost/${tagged}`,
  ];
  for (const candidate of candidates) {
    const row = images.find(({ record }) => record.names.includes(candidate));
    if (row !== undefined) return { ...row, wanted: undefined };
  }
  const ending = images.filter(({ record }) => {
    return record.names.some((one) => one.endsWith(`/${tagged}`));
  });
  const [only] = ending;
  if (only === undefined) return undefined;
  if (ending.length > 1) throw ambiguous(name, label, ending);
  return { ...only, wanted: undefined };
}

function findByDigest(
  images: readonly ImageRow[],
  name: string,
  digest: ContentDigest,
): FoundImage | undefined {
  const untagged = withoutTag(name);
  const isOf = (full: string) => {
    const own = withoutTag(full);
    return own === untagged || own.endsWith(`/${untagged}`);
  };
  const row = images.find((one) => digestsOf(one).includes(digest) && one.record.names.some(isOf));
  return row === undefined ? undefined : { ...row, wanted: digest };
}

function hasTag(name: string): boolean {
  return name.lastIndexOf(':') > name.lastIndexOf('/');
}

function withoutTag(name: string): string {
  const [plain = ''] = name.split('@', 1);
  return hasTag(plain) ? plain.slice(0, plain.lastIndexOf(':')) : plain;
}

/** Names to choose from; the id for an image without names. */
function namesOf(images: readonly ImageRow[]): string[] {
  return images
    .flatMap(({ record }) => (record.names.length > 0 ? record.names : [`@${record.id}`]))
    .slice(0, NAMES_MAX);
}

function notFound(name: string, label: string, images: readonly ImageRow[]): NotFoundError {
  const available = namesOf(images);
  const names = available.length === 0 ? 'no images' : available.join(', ');
  return new NotFoundError(
    'TAG_NOT_FOUND',
    `Cannot find "${name}" in "${label}": expected the name or id of an image, found ${names}`,
    { tag: name, available },
    available[0] === undefined ? {} : { hint: `Choose one of: ${available.join(', ')}` },
  );
}

function ambiguous(name: string, label: string, images: readonly ImageRow[]): ConflictError {
  const available = namesOf(images);
  return new ConflictError(
    'IMAGE_AMBIGUOUS',
    `Cannot choose "${name}" in "${label}": expected one match, found several of ${available.join(', ')}`,
    { available },
    { hint: `Write the whole name, for example ${available[0] ?? ''}` },
  );
}
