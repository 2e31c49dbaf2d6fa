import type { Finding, FindingKind } from '#stores/composefs';
import type { OciFinding, OciFindingKind } from './oci-findings.ts';
import type { ObjectUse } from './users.ts';

const PULL = 'pull again with --from';
const REBUILD = 'rebuild the EROFS image from its layers';
const RENAME = 'restore the name from the manifest';
const REMOVE = `${PULL}; without a source, the object is removed`;

/** What a repair does about each kind of finding; kinds that are not listed are not repaired. */
const REPAIRS: { readonly [kind in FindingKind | OciFindingKind]?: string } = {
  'object-digest-mismatch': REMOVE,
  'object-open-failed': REMOVE,
  'object-verity-failed': REMOVE,
  'object-verity-missing': REMOVE,
  'missing-named-ref': PULL,
  'missing-object-ref': PULL,
  'stream-open-failed': PULL,
  'stream-read-failed': PULL,
  'image-missing-object': PULL,
  'image-invalid': REBUILD,
  'image-open-failed': REBUILD,
  'image-read-failed': REBUILD,
  'image-id-mismatch': REBUILD,
  'image-rebuild-failed': PULL,
  'artifact-layer-object-missing': PULL,
  'artifact-layer-ref-missing': PULL,
  'artifact-layer-digest-mismatch': PULL,
  'config-digest-mismatch': PULL,
  'config-parse-failed': PULL,
  'config-read-failed': PULL,
  'config-ref-missing': PULL,
  'index-read-failed': PULL,
  'layer-check-failed': PULL,
  'layer-diff-id-mismatch': PULL,
  'layer-object-missing': PULL,
  'layer-ref-missing': PULL,
  'layer-stream-missing': RENAME,
  'manifest-digest-mismatch': PULL,
  'manifest-parse-failed': PULL,
  'manifest-read-failed': PULL,
};

/** What `fsck --repair` does about a finding; undefined if it does nothing. */
export function repairOf(
  finding: Finding | OciFinding,
  usedBy: readonly ObjectUse[],
): string | undefined {
  if ('path' in finding && isLinkFinding(finding)) return repairOfLink(finding.path);
  const isImage = usedBy.some(({ part }) => part?.startsWith('composefs.image') === true);
  return isImage && 'path' in finding ? REBUILD : REPAIRS[finding.kind];
}

function isLinkFinding({ kind }: Finding): boolean {
  return kind === 'broken-symlink' || kind === 'entry-wrong-target';
}

/** Names of streams are restored while their objects exist, otherwise with the image. */
function repairOfLink(path: string): string | undefined {
  if (/^images\/[0-9a-f]+$/.test(path)) return REBUILD;
  return /^streams\/oci-/.test(path) ? `${RENAME}; if its object is missing, ${PULL}` : PULL;
}
