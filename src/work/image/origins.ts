import type { ContentDigest } from '#base/digest';
import { isRepositoryPath } from '#formats/oci';
import type { Repository } from '#stores/composefs';

/** A repository of a registry. */
export interface Origin {
  /** `HOST[:PORT]`. */
  readonly registry: string;
  /** Path of the repository there. */
  readonly repository: string;
}

/** Most origins that are noted of one image; the oldest are dropped. */
const ORIGINS_MAX = 8;
/** Most repositories of a registry from which a blob is mounted. */
const MOUNTS_MAX = 4;

/**
 * Notes that the blobs of an image or index are in a repository of a registry, from which a push can mount them. The note may be lost, and is no
 * promise: a registry that does not mount is sent the blobs.
 */
export function noteOrigin(
  repository: Repository,
  manifest: ContentDigest,
  { registry, repository: path }: Origin,
): void {
  const line = `${registry}/${path}`;
  const before = linesOf(repository, manifest).filter((other) => other !== line);
  const lines = [line, ...before].slice(0, ORIGINS_MAX);
  repository.origins.write(noteName(manifest), `${lines.join('\n')}\n`);
}

/** Other repositories of the registry of a push that an image or index came from, or that its names point to: at most four. */
export function listMountSources(
  repository: Repository,
  target: Origin,
  manifest: ContentDigest,
): string[] {
  const prefix = `${target.registry}/`;
  const origins = linesOf(repository, manifest)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length));
  const { tags } = repository;
  const images = tags.list().map(({ name, manifestDigest: digest }) => ({ name, digest }));
  const indexes = tags.listIndexes().map(({ name, indexDigest: digest }) => ({ name, digest }));
  const names = [...images, ...indexes]
    .filter((tag) => tag.digest === manifest && tag.name.startsWith(prefix))
    .map((tag) => tag.name.slice(prefix.length).replace(/(?:@|:[^/:]*$).*$/, ''));
  return [...new Set([...origins, ...names])]
    .filter((path) => path !== target.repository && isRepositoryPath(path))
    .slice(0, MOUNTS_MAX);
}

function linesOf(repository: Repository, manifest: ContentDigest): string[] {
  const text = repository.origins.read(noteName(manifest)) ?? '';
  return text.split('\n').filter((line) => /^[!-~]+$/.test(line));
}

function noteName(manifest: ContentDigest): string {
  return manifest.replace(':', '-');
}
