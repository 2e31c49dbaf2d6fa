import { type ContentDigest, isContentDigest } from '#base/digest';
import type { Manifest } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { manifestStreamName } from './names.ts';

/** Folder below `streams/refs`, one folder for each subject. Source: composefs-rs 0.9: `oci-referrers/<subject>/<artifact>`. */
const REFERRERS = 'oci-referrers';

/** Links a stored artifact to what it refers to, so that it lives as long as that. Does nothing for a manifest without a subject. */
export function linkSubject(repository: Repository, { digest, subject }: Manifest): void {
  if (subject === undefined) return;
  const name = `${REFERRERS}/${subject.digest}/${digest}`;
  repository.refs.set('streams', name, manifestStreamName(digest));
}

/** Manifests of the artifacts that refer to an image and are stored, in byte order. */
export function listStoredReferrers(
  repository: Repository,
  subject: ContentDigest,
): readonly ContentDigest[] {
  return repository.refs
    .list('streams', `${REFERRERS}/${subject}`)
    .map(({ name }) => name.slice(name.lastIndexOf('/') + 1))
    .filter(isContentDigest);
}
