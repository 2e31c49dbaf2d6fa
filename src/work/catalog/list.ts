import type { ContentDigest, ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { IndexTag, Repository } from '#stores/composefs';
import { listCommitRefs, listPartialCommits, openStored } from '#work/commits';
import {
  listOciImages,
  listStoredReferrers,
  type ManifestBelow,
  manifestsBelow,
  type OciImage,
} from '#work/image';

/** A name of an OCI image or artifact. */
export interface ImageEntryRow {
  readonly kind: 'image';
  readonly name: string;
  readonly manifestDigest: ContentDigest;
  /** Undefined when `problem` is set. */
  readonly image: OciImage | undefined;
  /** Artifacts stored with this image as their subject. */
  readonly referrers: number;
  readonly problem: OnecopyError | undefined;
}

/** A name of an image index. */
export interface IndexEntryRow {
  readonly kind: 'index';
  readonly name: string;
  readonly indexDigest: ContentDigest;
  /** What the index names, without attestations; undefined when `problem` is set. */
  readonly manifests: readonly ManifestBelow[] | undefined;
  /** Artifacts stored with this index as their subject. */
  readonly referrers: number;
  readonly problem: OnecopyError | undefined;
}

/** A ref of a complete OSTree commit. */
export interface CommitEntryRow {
  readonly kind: 'commit';
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** Undefined when the ref points to a missing commit. */
  readonly streamId: ObjectId | undefined;
  readonly imageId: ObjectId | undefined;
}

/** A ref of a partial commit. */
export interface PartialEntryRow {
  readonly kind: 'partial';
  readonly name: string;
  readonly commit: OstreeChecksum;
  readonly subpaths: readonly string[] | undefined;
  readonly imageId: ObjectId | undefined;
}

/** A name of a bare EROFS image. */
export interface ErofsEntryRow {
  readonly kind: 'erofs';
  /** Without `refs/`. */
  readonly name: string;
  /** Undefined when the name is dangling. */
  readonly imageId: ObjectId | undefined;
}

/** One name of the repository. */
export type CatalogRow =
  | ImageEntryRow
  | IndexEntryRow
  | CommitEntryRow
  | PartialEntryRow
  | ErofsEntryRow;

/**
 * All names: tags of images, then of indexes, then refs of commits, then names below `images/refs`, each in order. A name whose image cannot be read is a row, too.
 */
export function listNamed(repository: Repository): CatalogRow[] {
  return [
    ...listOciImages(repository).map((row) => ({ kind: 'image' as const, ...row })),
    ...repository.tags.listIndexes().map((tag) => indexRow(repository, tag)),
    ...listCommitRefs(repository).map(({ name, commit, streamId }) => ({
      kind: 'commit' as const,
      name,
      commit,
      streamId,
      imageId: streamId === undefined ? undefined : openStored(repository, commit).imageId,
    })),
    ...listPartialCommits(repository).map((row) => ({ kind: 'partial' as const, ...row })),
    ...repository.refs
      .list('images')
      .map(({ name, id }) => ({ kind: 'erofs' as const, name, imageId: id })),
  ];
}

function indexRow(repository: Repository, { name, indexDigest }: IndexTag): IndexEntryRow {
  const referrers = listStoredReferrers(repository, indexDigest).length;
  const facts = { kind: 'index' as const, name, indexDigest, referrers };
  try {
    const all = manifestsBelow(repository, indexDigest);
    const manifests = all.filter(
      ({ kind, isAttestation }) => kind === 'manifest' && !isAttestation,
    );
    return { ...facts, manifests, problem: undefined };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { ...facts, manifests: undefined, problem: error };
  }
}
