import type { ContentDigest } from '#base/digest';
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

/** Paths of repositories of a registry that an image or index came from, the latest first. */
export function readOrigins(
  repository: Repository,
  manifest: ContentDigest,
  registry: string,
): string[] {
  const prefix = `${registry}/`;
  return linesOf(repository, manifest)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length));
}

function linesOf(repository: Repository, manifest: ContentDigest): string[] {
  const text = repository.origins.read(noteName(manifest)) ?? '';
  return text.split('\n').filter((line) => /^[!-~]+$/.test(line));
}

function noteName(manifest: ContentDigest): string {
  return manifest.replace(':', '-');
}
