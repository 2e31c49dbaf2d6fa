import * as v from 'valibot';
import { hasCode, UsageError } from '#base/errors';
import { parseReference } from '#work/export';
import {
  type OstreeAddress,
  type PullCommitOptions,
  type PulledCommit,
  type PulledCommits,
  type PullTargets,
  parseTarget,
  planPullCommits,
  pullCommits,
  type TrustPolicy,
} from '#work/pull-commit';
import { type CommitPullRequest, commitPullSchema, SERVER_KEYS } from './ostree-keys.ts';
import {
  type CommitPlanReport,
  type CommitPullReport,
  commitPlanReport,
  commitPullReport,
} from './ostree-pull-report.ts';
import { configuredRemote, remoteOf, summaryOf, trustOf } from './ostree-trust.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { orNull } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

/** The commits that a pull requests. */
interface Pull {
  readonly source: OstreeAddress;
  readonly targets: PullTargets;
  readonly options: PullCommitOptions;
  /** The fields of a single commit are also fields of the report. */
  readonly isSingle: boolean;
}

/** `ostree pull`: stores commits in the repository and sets their refs, all together, after all commits are stored. */
export const ostreePull = defineVerb({
  request: commitPullSchema,
  report: v.variant('dryRun', [commitPlanReport, commitPullReport]),
  examples: [
    {
      request: { reference: 'ostree-local:os-repo:os', names: [] },
      says: 'Pull a ref of a repository on this host',
    },
    {
      request: { reference: 'ostree-local:os-repo', mirror: true },
      says: 'Pull every ref of a repository',
    },
  ],
  plan: planPullOf,
  run: pullCommitsOf,
});

/** What `pullCommitsOf` would do. @throws as `planPullCommits` */
export async function planPullOf(
  context: VerbContext,
  request: CommitPullRequest,
): Promise<CommitPlanReport> {
  const { source, targets, options, isSingle } = await pullOf(context, request);
  using repository = await openIfPresent(context);
  const found = await planPullCommits(repository, source, targets, options);
  const commits = found.map((one) => ({
    ...one,
    ref: orNull(one.ref),
    current: orNull(one.current),
  }));
  const wouldCreate = repository === undefined;
  const [first] = commits;
  const single = isSingle && first !== undefined ? first : {};
  return { dryRun: true, kind: 'ostree', wouldCreate, ...single, commits };
}

/** Pulls what a request names; `pull` hands requests about commits to it. @throws as `pullCommits` */
export async function pullCommitsOf(
  context: VerbContext,
  request: CommitPullRequest,
): Promise<CommitPullReport> {
  const { source, targets, options, isSingle } = await pullOf(context, request);
  using repository = await openToFill(context);
  return reportOf(await pullCommits(repository, source, targets, options), isSingle);
}

async function pullOf(context: VerbContext, request: CommitPullRequest): Promise<Pull> {
  const text = request.reference;
  const reference =
    request.remoteConfig === undefined ? parseReference(text) : configuredReference(text);
  if (reference.transport !== 'ostree' && reference.transport !== 'ostree-local') {
    throw new UsageError(`Cannot pull "${text}": expected ostree:URL:REF or ostree-local:PATH:REF`);
  }
  const { location, ref, transport } = reference;
  const refs = ref === undefined ? request.names : [ref, ...request.names];
  const isMirror = request.mirror === true;
  if (isMirror && refs.length > 0) {
    throw new UsageError(`Cannot pull "${text}": expected either --mirror or refs, found both`);
  }
  if (!isMirror && refs.length === 0) {
    throw new UsageError(
      `Cannot pull "${text}": expected a ref, or --mirror for all refs`,
      'List the refs of a source with: onecopy ostree list-refs SOURCE',
    );
  }
  for (const one of refs) requireTarget(one);
  if (transport === 'ostree-local') refuseKeys(request, SERVER_KEYS, `pull "${text}"`);
  const { source, trust } =
    transport === 'ostree-local'
      ? await localSource(location, request)
      : await remoteOf(location === '' ? undefined : location, request);
  const options = await optionsOf(context, request, trust);
  return { source, targets: isMirror ? 'all' : refs, options, isSingle: refs.length === 1 };
}

/** Refuses a ref that no source can have: it is a mistake of the caller, not of the source. @throws UsageError */
function requireTarget(text: string): void {
  try {
    parseTarget(text);
  } catch (error) {
    if (!hasCode(error, 'OSTREE_REF_INVALID')) throw error;
    throw new UsageError(
      `Cannot pull ref "${text}": expected words of letters, digits and "._-", joined by slashes`,
    );
  }
}

/** With a configured remote, `ostree:REF`, and `ostree:` for all refs, need no URL. */
function configuredReference(text: string): ReturnType<typeof parseReference> {
  const [, ref] = /^ostree:([^:]*)$/.exec(text) ?? [];
  if (ref === undefined) return parseReference(text);
  return { transport: 'ostree', location: '', ...(ref === '' ? {} : { ref }) };
}

/** A repository on this host. The requirements of a configured remote apply to it, too. */
async function localSource(
  path: string,
  request: CommitPullRequest,
): Promise<{ readonly source: OstreeAddress; readonly trust: TrustPolicy }> {
  const configured = await configuredRemote(request);
  return { source: { kind: 'local', path }, trust: configured?.trust ?? {} };
}

async function optionsOf(
  { signal, onProgress, jobs }: VerbContext,
  request: CommitPullRequest,
  trust: TrustPolicy,
): Promise<PullCommitOptions> {
  const { subpath, commitMetadataOnly } = request;
  if (commitMetadataOnly === true && subpath.length > 0) {
    throw new UsageError(
      'Cannot pull: expected either --subpath or --commit-metadata-only, found both',
    );
  }
  return {
    signal,
    onProgress,
    bases: request.base,
    deltas: request.delta === false ? 'never' : request.requireDelta === true ? 'require' : 'auto',
    trust: await trustOf(request, trust),
    subset: request.subset,
    summary: summaryOf(request),
    keepDetached: request.keepSignatures,
    subpaths: subpath.length === 0 ? undefined : subpath,
    commitOnly: commitMetadataOnly,
    depth: request.depth,
    reading: request.compat,
    verifyReused: request.verifyReused,
    workers: jobs,
  };
}

function reportOf({ commits, traffic }: PulledCommits, isSingle: boolean): CommitPullReport {
  const list = commits.map(pulledOf);
  const [first] = list;
  const single = isSingle && first !== undefined ? first : {};
  const head = { dryRun: false as const, kind: 'ostree' as const };
  return { ...head, ...single, commits: list, traffic: orNull(traffic) };
}

function pulledOf(one: PulledCommit): CommitPullReport['commits'][number] {
  const { history } = one;
  return {
    ref: orNull(one.ref),
    commit: one.commit,
    parent: orNull(one.parent),
    streamId: one.streamId,
    imageId: orNull(one.imageId),
    wasPresent: one.wasPresent,
    subpaths: orNull(one.subpaths),
    counts: one.counts,
    delta: orNull(one.delta),
    signedBy: one.signedBy,
    history:
      history === undefined
        ? null
        : {
            ...history,
            missing: orNull(history.missing),
            commits: history.commits.map((ancestor) => ({
              ...ancestor,
              imageId: orNull(ancestor.imageId),
              subpaths: orNull(ancestor.subpaths),
            })),
          },
  };
}
