import type { ObjectId, OstreeChecksum } from '#base/digest';
import { ConflictError, NotFoundError } from '#base/errors';
import {
  commitStreamName,
  decodeStreamRef,
  parseCommitStreamName,
  parsePartialStreamName,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { historyRefFolder, partialRefName, streamRefName } from './store.ts';

/** Folder of OSTree refs below `streams/refs`. Source: OSTree spec 3.1. */
const REF_FOLDER = 'ostree';
/** Smallest number of hex digits of an abbreviated commit id: a shorter one could be a mistyped ref (OSTree spec 2.8). */
const PREFIX_MIN_DIGITS = 4;
const CHECKSUM_DIGITS = 64;

/** A name of a stored commit. */
export interface CommitRef {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** The commit stream; undefined if the ref is dangling. */
  readonly streamId: ObjectId | undefined;
}

/** A commit of the repository with all its names. */
export interface CommitRow {
  readonly commit: OstreeChecksum;
  readonly streamId: ObjectId | undefined;
  /** In order of names; empty for a commit without a ref. */
  readonly refs: readonly string[];
}

/** All refs that name commits, in order of their names. */
export function listCommitRefs(repository: Repository): CommitRef[] {
  const refs: CommitRef[] = [];
  for (const { name, target, id } of repository.refs.list('streams', REF_FOLDER)) {
    const commit = parseCommitStreamName(target);
    if (commit !== undefined) refs.push({ name: decodeStreamRef(name), commit, streamId: id });
  }
  return refs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** All commits of the repository in order of their ids, with their names, including dangling refs. */
export function listCommits(repository: Repository): CommitRow[] {
  const rows = new Map<OstreeChecksum, { streamId: ObjectId | undefined; refs: string[] }>();
  for (const { name, id } of repository.streams.list()) {
    const commit = parseCommitStreamName(name);
    if (commit !== undefined) rows.set(commit, { streamId: id, refs: [] });
  }
  for (const { name, commit } of listCommitRefs(repository)) {
    const row = rows.get(commit) ?? { streamId: undefined, refs: [] };
    row.refs.push(name);
    rows.set(commit, row);
  }
  return [...rows]
    .map(([commit, row]) => ({ commit, ...row }))
    .sort((a, b) => (a.commit < b.commit ? -1 : 1));
}

/** The commit of a ref, stored or not; undefined if the ref does not exist. */
export function readCommitRef(repository: Repository, ref: string): OstreeChecksum | undefined {
  const found = repository.refs.resolve('streams', streamRefName(ref));
  return found === undefined ? undefined : parseCommitStreamName(found.target);
}

/**
 * The stored commit of a ref, a commit id, or an abbreviated commit id (4 digits or more).
 * @throws NotFoundError OSTREE_COMMIT_NOT_FOUND; ConflictError OSTREE_REF_AMBIGUOUS
 */
export function resolveCommit(repository: Repository, name: string): OstreeChecksum {
  const named = isRefText(name) ? readCommitRef(repository, name) : undefined;
  if (named !== undefined) {
    if (repository.streams.has(commitStreamName(named))) return named;
    throw notFound(name, `the ref points at ${named}, which is not stored`);
  }
  if (!/^[0-9a-f]+$/.test(name) || name.length > CHECKSUM_DIGITS) {
    throw notFound(name, 'no ref has this name, and it is not a commit id');
  }
  if (name.length === CHECKSUM_DIGITS) {
    const commit = name as OstreeChecksum;
    if (repository.streams.has(commitStreamName(commit))) return commit;
    throw notFound(name, 'the repository does not have it');
  }
  return resolvePrefix(repository, name);
}

/**
 * Removes a name, also of a partial commit, and its history. gc removes the commits once no ref uses them.
 * @throws NotFoundError OSTREE_COMMIT_NOT_FOUND
 */
export function untagCommit(repository: Repository, ref: string): void {
  const { refs } = repository;
  const names = [streamRefName(ref), partialRefName(ref)];
  const removed = names.map((name) => refs.remove('streams', name));
  if (!removed.includes(true)) throw notFound(ref, 'there is no such ref');
  const folder = historyRefFolder(ref);
  for (const { name } of refs.list('streams', folder)) refs.remove('streams', `${folder}/${name}`);
  refs.tidy('streams', folder);
}

/** The commit of a ref of a partial commit; undefined if the ref does not exist. */
export function readPartialRef(repository: Repository, ref: string): OstreeChecksum | undefined {
  if (!isRefText(ref)) return undefined;
  const found = repository.refs.resolve('streams', partialRefName(ref));
  return found === undefined ? undefined : parsePartialStreamName(found.target);
}

function resolvePrefix(repository: Repository, prefix: string): OstreeChecksum {
  if (prefix.length < PREFIX_MIN_DIGITS) {
    throw notFound(
      prefix,
      `no ref has this name, and a prefix of a commit id needs ${PREFIX_MIN_DIGITS} digits`,
    );
  }
  const found = listCommits(repository).filter(
    ({ commit, streamId }) => streamId !== undefined && commit.startsWith(prefix),
  );
  const [first, ...others] = found;
  if (first === undefined) throw notFound(prefix, 'no stored commit has this prefix');
  if (others.length === 0) return first.commit;
  throw new ConflictError(
    'OSTREE_REF_AMBIGUOUS',
    `Cannot find commit "${prefix}": ${found.length} commits have this prefix`,
    { name: prefix, found: found.map(({ commit }) => commit) },
    { hint: 'Use a longer prefix' },
  );
}

/** False for an invalid name of a ref, which then does not exist. */
function isRefText(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) < 256;
}

function notFound(name: string, reason: string): NotFoundError {
  return new NotFoundError(
    'OSTREE_COMMIT_NOT_FOUND',
    `Cannot find commit "${name}": ${reason}`,
    { name },
    { hint: 'List all commits with: onecopy ostree images' },
  );
}
