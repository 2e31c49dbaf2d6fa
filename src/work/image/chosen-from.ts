import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  isContentDigest,
} from '#base/digest';
import { quietly } from '#base/errors';
import { type ImageIndex, parseManifest, type ResolvedImage } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { openStoredIndex } from './stored-index.ts';

/** An index as a store of images records it. */
export interface ChosenFrom {
  readonly digest: ContentDigest;
  readonly bytes: Uint8Array;
}

/**
 * Notes the index that an image was chosen from, so that other stores can record it. The note may be lost. Of nested indexes none is noted:
 * what records the digest of an index takes it for one that names the image.
 */
export function noteChosenFrom(repository: Repository, image: ResolvedImage): void {
  const [index, ...nested] = image.indexes;
  if (index === undefined || nested.length > 0) return;
  const text = Buffer.from(index.bytes).toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(index.bytes)) return;
  repository.chosenFrom.write(noteName(image.manifest.digest), `${index.digest}\n${text}`);
}

/** The index that an image was chosen from: as noted, else a tagged one that names it. The bytes have the digest, and name the manifest. */
export function readChosenFrom(
  repository: Repository,
  manifest: ContentDigest,
): ChosenFrom | undefined {
  const noted = quietly(() => readNote(repository.chosenFrom.read(noteName(manifest)) ?? ''));
  if (noted !== undefined && names(noted, manifest)) return noted;
  for (const { indexDigest } of repository.tags.listIndexes()) {
    const index = quietly(() => openStoredIndex(repository, indexDigest).index);
    if (index !== undefined && names(index, manifest)) return index;
  }
  return undefined;
}

function readNote(text: string): ImageIndex | undefined {
  const cut = text.indexOf('\n');
  const digest = text.slice(0, Math.max(0, cut));
  if (!isContentDigest(digest)) return undefined;
  const bytes = Buffer.from(text.slice(cut + 1), 'utf8');
  const document = parseManifest(bytes);
  const isIt =
    document.kind === 'index' && computeContentDigest(bytes, algorithmOf(digest)) === digest;
  return isIt ? { ...document, digest } : undefined;
}

function names(index: ImageIndex, manifest: ContentDigest): boolean {
  return index.manifests.some(({ digest }) => digest === manifest);
}

function noteName(manifest: ContentDigest): string {
  return manifest.replace(':', '-');
}
