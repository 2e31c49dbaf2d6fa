import type { OstreeChecksum } from '#base/digest';
import type { ProgressListener } from '#base/flow';
import { OstreeRemote } from '#remotes/ostree';
import { type Repository, settleObjects } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { nameCommit } from './name-commit.ts';
import type { OstreeAddress, PullCommitOptions, PullOrigin, PullTargets } from './options.ts';
import { pullHistory } from './pull-history.ts';
import { pullOne } from './pull-one.ts';
import type { OnePulled, PulledCommit, PulledCommits, PulledHistory } from './report.ts';
import { type PullTarget, parseTarget } from './resolve/target.ts';
import { resolveTargets } from './resolve/targets.ts';

/** Progress component of the transfer. */
const TRANSFER_ID = 'transfer';
/** Number of recently pulled commits that serve as bases for the next one. */
const RECENT_BASES_MAX = 3;

/**
 * Pulls one commit into a composefs repository: resolves and verifies it, fetches missing objects, stores commit stream and EROFS image,
 * and then sets the ref. The next pull resumes an interrupted one, even after a kill.
 * @param target `REF`, 64 hex digits, or `REF@` and 64 hex digits
 * @throws NotFoundError OSTREE_REF_NOT_FOUND, OSTREE_OBJECT_MISSING, OSTREE_REPO_NOT_FOUND; IntegrityError OSTREE_…;
 * FormatError of all parsers; TransportError; HostError; the reason of `signal`
 */
export async function pullCommit(
  repository: Repository,
  source: OstreeAddress,
  target: string,
  options: PullCommitOptions = {},
): Promise<PulledCommit> {
  const { commits } = await pullCommits(repository, source, [target], options);
  const [pulled] = commits;
  if (pulled === undefined) throw new RangeError('A target has no result');
  return pulled;
}

/**
 * Pulls several commits from one source, with one consistent view of its refs. Either all refs are set, after everything is stored, or
 * none.
 * @throws as `pullCommit`; ConflictError OSTREE_REF_AMBIGUOUS when one ref is to name two commits; NotFoundError
 * OSTREE_SUMMARY_NOT_FOUND when all refs are wanted of a remote without a summary
 */
export async function pullCommits(
  repository: Repository,
  source: OstreeAddress,
  targets: PullTargets,
  options: PullCommitOptions = {},
): Promise<PulledCommits> {
  const parsed = targets === 'all' ? targets : targets.map(parseTarget);
  repository.ensureWritable();
  if (options.verifyReused === true) repository.objects.distrustAll();
  if (source.kind === 'remote') {
    const onBytes = listenToBytes(options.onProgress);
    await using remote = new OstreeRemote({ ...source, onBytes });
    return await pullFrom(repository, { remote, url: source.url }, parsed, options);
  }
  using repo = openOstreeRepo(source.path);
  using _lock = await repo.lockForReading(options);
  return await pullFrom(repository, { repo, path: source.path }, parsed, options);
}

/** Bytes of bodies as they come, of a component of its own: objects from a base or an earlier attempt do not count. */
function listenToBytes(
  onProgress: ProgressListener | undefined,
): ((bodyBytes: number) => void) | undefined {
  if (onProgress === undefined) return undefined;
  onProgress({ type: 'started', id: TRANSFER_ID, unit: 'bytes' });
  return (done) => onProgress({ type: 'advanced', id: TRANSFER_ID, done });
}

async function pullFrom(
  repository: Repository,
  origin: PullOrigin,
  targets: readonly PullTarget[] | 'all',
  options: PullCommitOptions,
): Promise<PulledCommits> {
  const { depth = 0, signal, onProgress } = options;
  const done: { pulled: OnePulled; history: PulledHistory | undefined }[] = [];
  const recent: OstreeChecksum[] = [];
  const suspects = repository.suspects.read();
  for (const target of await resolveTargets(repository, origin, targets, options)) {
    signal?.throwIfAborted();
    const pulled = await pullOne(repository, target, { ...options, recent }, origin);
    remember(recent, pulled.commit);
    const history =
      depth === 0
        ? undefined
        : await pullHistory(repository, pulled, { ...options, recent }, origin);
    done.push({ pulled, history });
  }
  signal?.throwIfAborted();
  for (const { pulled, history } of done) nameCommit(repository, pulled, history);
  if (done.some(({ pulled }) => pulled.wasPresent && pulled.ref !== undefined)) repository.sync();
  settleObjects(repository, suspects);
  const traffic = 'remote' in origin ? origin.remote.traffic : undefined;
  if (traffic !== undefined) {
    onProgress?.({ type: 'done', id: TRANSFER_ID, transferred: traffic.bodyBytes });
  }
  return {
    commits: done.map(({ pulled, history }) => ({ ...pulled, history, traffic })),
    traffic,
  };
}

function remember(recent: OstreeChecksum[], commit: OstreeChecksum): void {
  recent.unshift(commit);
  recent.splice(RECENT_BASES_MAX);
}
