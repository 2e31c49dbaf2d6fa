import type { OstreeChecksum } from '#base/digest';
import { parseCommit, refTimestampOf, summaryFactsOf } from '#formats/ostree';
import { OstreeRemote, type OstreeRemoteOptions } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { failNoSummary, fetchSummary, type ResolveOptions } from './resolve.ts';

/** A ref that a remote, or a repository on this host, offers. */
export interface RemoteRef {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** Time of the commit in seconds since 1970, where the publisher says so. */
  readonly timestampSec: bigint | undefined;
}

/** What a remote offers. */
export interface RemoteRefs {
  /** In order of names. */
  readonly refs: readonly RemoteRef[];
  readonly collectionId: string | undefined;
}

/**
 * Lists the refs of a remote by its summary. The summary is kept in the repository, if there is one, so that the next request is conditional.
 * @throws NotFoundError OSTREE_SUMMARY_NOT_FOUND; IntegrityError OSTREE_SIGNATURE_MISSING, OSTREE_SIGNATURE_INVALID,
 * OSTREE_SUMMARY_EXPIRED; TransportError
 */
export async function listRemoteRefs(
  repository: Repository | undefined,
  source: OstreeRemoteOptions,
  options: Partial<ResolveOptions> = {},
): Promise<RemoteRefs> {
  await using remote = new OstreeRemote(source);
  const how = { ...options, trust: options.trust ?? {} };
  const summary = await fetchSummary(repository, remote, source.url, how);
  if (summary === undefined) failNoSummary('list refs', source.url);
  const refs = summary.refs.map((ref) => ({
    name: ref.name,
    commit: ref.checksum,
    timestampSec: refTimestampOf(ref),
  }));
  refs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { refs, collectionId: summaryFactsOf(summary.metadata).collectionId };
}

/**
 * Lists the refs of a repository on this host that a pull can name: those of `refs/heads`, in order of names.
 * @throws NotFoundError OSTREE_REPO_NOT_FOUND; the error of a ref that cannot be read
 */
export function listLocalRefs(path: string): RemoteRefs {
  using repo = openOstreeRepo(path);
  const all = repo.refs.list(({ error }) => {
    throw error;
  });
  const heads = all.filter(({ space }) => space.kind === 'heads');
  const refs = heads.map(({ name, checksum }) => {
    const bytes = repo.readMetadata('commit', checksum);
    const timestampSec = bytes === undefined ? undefined : parseCommit(bytes).timestampSec;
    return { name, commit: checksum, timestampSec };
  });
  refs.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { refs, collectionId: repo.config.collectionId };
}
