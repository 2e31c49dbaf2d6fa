import type { ContentDigest } from '#base/digest';
import type { Repository } from '#stores/composefs';
import type { TrustReport } from './report.ts';

/**
 * Notes what accepted an image, for a later look at it. The note proves nothing and decides nothing, and may be lost.
 * @param trust undefined when nobody was asked: what was noted before stays
 */
export function noteAcceptance(
  repository: Repository,
  manifest: ContentDigest,
  trust: TrustReport | undefined,
): void {
  if (trust !== undefined) repository.accepted.write(noteName(manifest), JSON.stringify(trust));
}

/** What was noted when the image was pulled, as JSON; undefined when that is not known any more. */
export function readAcceptance(repository: Repository, manifest: ContentDigest): unknown {
  const text = repository.accepted.read(noteName(manifest));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function noteName(manifest: ContentDigest): string {
  return manifest.replace(':', '-');
}
