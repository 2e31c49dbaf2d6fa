import type { ContentDigest, ObjectId, OstreeChecksum } from '#base/digest';
import { hasCode, UsageError } from '#base/errors';
import { checkTagName, type Repository } from '#stores/composefs';
import { exactlyNamed, type Named, type NamedIndex, spellingOf } from './named.ts';

/** Words that begin a reference to an image elsewhere. */
export const TRANSPORT_PREFIX =
  /^(?:oci|oci-archive|docker-archive|dir|docker|ostree|ostree-local|composefs|containers-storage):/;
/** A whole id: a digest, a checksum or an fs-verity digest. */
const WHOLE_ID = /^(?:sha256:|sha512:)|^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

/**
 * Refuses a new name that no file can have, or that a later command would read as something else: an option, an id or a reference.
 * @throws UsageError
 */
export function checkNewName(name: string): void {
  const reason = reasonAgainst(name);
  if (reason === undefined) return;
  throw new UsageError(
    `Cannot use name "${name.slice(0, 80)}": ${reason}`,
    'Choose a name such as app or app:v1',
  );
}

function reasonAgainst(name: string): string | undefined {
  if (name.startsWith('-')) return 'it begins with a dash, as options do';
  if (WHOLE_ID.test(name)) return 'it looks like an id';
  const [prefix] = TRANSPORT_PREFIX.exec(name) ?? [];
  if (prefix !== undefined) return `it begins with "${prefix}", as references do`;
  try {
    checkTagName(name);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'REF_NAME_INVALID')) return String(error.details['reason']);
    throw error;
  }
}

/** A warning about a name that several images and commits have now; undefined for an unambiguous one. */
export function warningOfTwins(repository: Repository, name: string): string | undefined {
  const found = exactlyNamed(repository, name);
  if (found.length < 2) return undefined;
  return `"${name}" is the name of several things now: use ${found.map(spellingOf).join(' or ')}`;
}

/** What a name of this kind refers to now: digest, checksum or image id; undefined for a free name. */
export function targetOf(
  repository: Repository,
  kind: (Named | NamedIndex)['kind'],
  name: string,
): ContentDigest | OstreeChecksum | ObjectId | undefined {
  const isTag = kind === 'image' || kind === 'index';
  for (const named of exactlyNamed(repository, name)) {
    if (isTag && named.kind === 'image') return named.manifestDigest;
    if (isTag && named.kind === 'index') return named.indexDigest;
    if (kind === 'commit' && named.kind === 'commit') return named.commit;
    if (kind === 'erofs' && named.kind === 'erofs') return named.imageId;
  }
  return undefined;
}
