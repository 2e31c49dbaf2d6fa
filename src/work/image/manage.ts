import type { ContentDigest } from '#base/digest';
import { isOnecopyError, NotFoundError, type OnecopyError } from '#base/errors';
import type { Repository, Tag } from '#stores/composefs';
import { type OciImage, openOciImage, resolveManifest } from './open.ts';

/** One tag and its image, or the error of reading it. */
export interface ImageRow {
  readonly name: string;
  readonly manifestDigest: ContentDigest;
  /** Undefined when `problem` is set. */
  readonly image: OciImage | undefined;
  /** Artifacts stored with this image as their subject. */
  readonly referrers: number;
  readonly problem: OnecopyError | undefined;
}

/** All tags in byte order. An image that cannot be read is a row with its problem. */
export function listOciImages(repository: Repository): ImageRow[] {
  const opened = new Map<ContentDigest, OciImage | OnecopyError>();
  return repository.tags.list().map(({ name, manifestDigest }) => {
    const found = opened.get(manifestDigest) ?? tryOpen(repository, manifestDigest);
    opened.set(manifestDigest, found);
    const failed = isOnecopyError(found);
    return {
      name,
      manifestDigest,
      image: failed ? undefined : found,
      referrers: countReferrers(repository, manifestDigest),
      problem: failed ? found : undefined,
    };
  });
}

function tryOpen(repository: Repository, digest: ContentDigest): OciImage | OnecopyError {
  try {
    return openOciImage(repository, `@${digest}`);
  } catch (error) {
    if (isOnecopyError(error)) return error;
    throw error;
  }
}

/** Source: composefs-rs 0.9: `streams/refs/oci-referrers/<subject>/<artifact>`. */
function countReferrers(repository: Repository, digest: ContentDigest): number {
  return repository.refs.list('streams', `oci-referrers/${digest}`).length;
}

/**
 * Adds a name to an image; a name that is in use is moved. Atomic.
 * @throws NotFoundError IMAGE_NOT_FOUND; FormatError REF_NAME_INVALID
 */
export function tagImage(repository: Repository, image: string, name: string): ContentDigest {
  const digest = resolveManifest(repository, image);
  repository.tags.set(name, digest);
  return digest;
}

/** Removes a name, also a dangling one. @throws NotFoundError TAG_NOT_FOUND; FormatError REF_NAME_INVALID */
export function untagImage(repository: Repository, name: string): void {
  if (!repository.tags.remove(name)) throw tagNotFound(repository, name);
}

/** The tag of this name, as in `untagImage`. @throws NotFoundError TAG_NOT_FOUND */
export function findTag(repository: Repository, name: string): Tag {
  const found = repository.tags.list().find((tag) => tag.name === name);
  if (found === undefined) throw tagNotFound(repository, name);
  return found;
}

function tagNotFound(repository: Repository, name: string): NotFoundError {
  return new NotFoundError(
    'TAG_NOT_FOUND',
    `Cannot remove tag "${name}": the repository has no such tag`,
    { tag: name, available: repository.tags.list().map((tag) => tag.name) },
    { hint: 'List all names with: onecopy images' },
  );
}

/** Report of the removal of an image. */
export interface RemovedImage {
  readonly manifestDigest: ContentDigest;
  /** Names that are removed. */
  readonly names: readonly string[];
  /** Names that still point to the image. Without any, the next garbage collection frees it. */
  readonly remaining: readonly string[];
}

/** Plan of `removeImage`. @throws NotFoundError IMAGE_NOT_FOUND */
export function planRemoval(repository: Repository, image: string): RemovedImage {
  const manifestDigest = resolveManifest(repository, image);
  const all = repository.tags.list().filter((tag) => tag.manifestDigest === manifestDigest);
  const isName = all.some(({ name }) => name === image);
  const names = isName ? [image] : all.map(({ name }) => name);
  const remaining = all.map(({ name }) => name).filter((name) => !names.includes(name));
  return { manifestDigest, names, remaining };
}

/**
 * Removes an image by name, or by `@digest` with all its names. The next garbage collection removes its objects, unless another image uses
 * them.
 * @throws NotFoundError IMAGE_NOT_FOUND
 */
export function removeImage(repository: Repository, image: string): RemovedImage {
  const plan = planRemoval(repository, image);
  for (const name of plan.names) repository.tags.remove(name);
  return plan;
}
