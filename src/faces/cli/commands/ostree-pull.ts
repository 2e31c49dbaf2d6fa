import { resolve } from 'node:path';
import { parseReference } from '#work/export';
import {
  type HistoryEnd,
  listLocalRefs,
  listRemoteRefs,
  type OstreeAddress,
  type PullCommitOptions,
  type PulledCommit,
  type PulledCommits,
  type PullTargets,
  planPullCommits,
  pullCommits,
  type RemoteRefs,
  type TrustPolicy,
} from '#work/pull-commit';
import { locateRepository, openOrCreate } from '#work/repository';
import { type Action, type Context, flag, textOption, wholeNumber } from '../context.ts';
import { UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { openIfPresent } from '../repository.ts';
import { formatSize } from '../units.ts';
import { configuredRemote, remoteOf, summaryOption } from './ostree-remote.ts';
import { trustOptions } from './ostree-trust.ts';

type Options = Readonly<Record<string, unknown>>;

/** What a pull is asked for. */
interface Request {
  readonly source: OstreeAddress;
  readonly targets: PullTargets;
  readonly options: PullCommitOptions;
  /** One ref or commit: then the document is that of one, not a list. */
  readonly isSingle: boolean;
}

/** `pull ostree:…` and `pull ostree-local:…`: brings commits into the repository and names them by their refs. */
export async function pullOstree(
  context: Context,
  reference: string,
  moreRefs: readonly string[],
  options: Options,
): Promise<number> {
  const request = await requestOf(context, reference, moreRefs, options);
  if (context.dryRun) return await plan(context, request);
  const { repository } = await openOrCreate(context.selection, {
    ...context.operation,
    mayInit: context.mayInit,
    requireVerity: context.requireVerity,
  });
  using open = repository;
  const { commits, traffic } = await pullCommits(
    open,
    request.source,
    request.targets,
    request.options,
  );
  if (context.out.json)
    context.out.document({ dryRun: false, ...documentOf(commits, traffic, request) });
  else {
    for (const report of commits) printReport(report, context.out.line);
    printTraffic(traffic, context.out.line);
  }
  return 0;
}

/** `ostree list-refs`: the refs that a remote, or a repository on this host, offers. */
export const listRefs: Action = async (context, [place], options) => {
  const path = place === undefined ? undefined : localPathOf(place);
  const { refs, collectionId } =
    path === undefined
      ? await remoteRefs(context, place?.replace(/^ostree:/, ''), options)
      : listLocalRefs(resolve(path));
  if (context.out.json) {
    context.out.document({
      collectionId: collectionId ?? null,
      refs: refs.map(({ name, commit, timestampSec }) => ({
        name,
        commit,
        timestampSec: timestampSec ?? null,
      })),
    });
  } else if (refs.length === 0) context.out.line('No refs found');
  else
    await context.out.table(
      ['REF', 'COMMIT'],
      refs.map(({ name, commit }) => [name, commit]),
    );
  return 0;
};

async function remoteRefs(
  context: Context,
  url: string | undefined,
  options: Options,
): Promise<RemoteRefs> {
  const { source, trust } = await remoteOf(url, options);
  using repository = await openIfPresent(context);
  return await listRemoteRefs(repository, source, {
    trust: await trustOptions(options, trust),
    subset: textOption(options, 'subset'),
    signal: context.signal,
  });
}

/** The path in `ostree-local:PATH` or `PATH`; undefined for a URL. */
function localPathOf(place: string): string | undefined {
  if (place.startsWith('ostree-local:')) return place.slice('ostree-local:'.length);
  return /^(ostree:|mirrorlist=)|:\/\//.test(place) ? undefined : place;
}

async function plan(context: Context, request: Request): Promise<number> {
  using repository = await openIfPresent(context);
  const { source, targets, options, isSingle } = request;
  const found = await planPullCommits(repository, source, targets, options);
  const wouldCreate = repository === undefined;
  if (context.out.json) {
    const said = isSingle ? found[0] : { commits: found };
    context.out.document({ dryRun: true, wouldCreate, ...said });
  }
  if (wouldCreate) context.out.line(`Would create ${locateRepository(context.selection)}`);
  for (const { ref, commit, current, isPresent } of found) {
    const name = isSingle || ref === undefined ? '' : ` for ${ref}`;
    context.out.line(
      isPresent
        ? `Commit ${commit}${name} is here already`
        : `Would pull commit ${commit}${name}${current ? `, after ${current}` : ''}`,
    );
  }
  return 0;
}

async function requestOf(
  context: Context,
  text: string,
  moreRefs: readonly string[],
  options: Options,
): Promise<Request> {
  const reference = hasConfigured(options) ? configuredReference(text) : parseReference(text);
  if (reference.transport !== 'ostree' && reference.transport !== 'ostree-local') {
    throw new UsageError(`Cannot pull "${text}": expected ostree:URL:REF or ostree-local:PATH:REF`);
  }
  const { location, ref } = reference;
  const refs = ref === undefined ? moreRefs : [ref, ...moreRefs];
  const isMirror = flag(options, 'mirror');
  if (isMirror && refs.length > 0) {
    throw new UsageError(`Cannot pull "${text}": expected either --mirror or refs, found both`);
  }
  if (!isMirror && refs.length === 0) {
    throw new UsageError(`Cannot pull "${text}": expected a ref, or --mirror for all refs`);
  }
  const { source, trust } =
    reference.transport === 'ostree-local'
      ? await localSourceOf(location, options)
      : await remoteOf(location === '' ? undefined : location, options);
  return {
    source,
    targets: isMirror ? 'all' : refs,
    options: await pullOptions(context, options, trust),
    isSingle: refs.length === 1,
  };
}

function hasConfigured(options: Options): boolean {
  return textOption(options, 'remoteConfig') !== undefined;
}

/** With a configured remote `ostree:REF`, and `ostree:` for all refs, needs no URL. */
function configuredReference(text: string): ReturnType<typeof parseReference> {
  const [, ref] = /^ostree:([^:]*)$/.exec(text) ?? [];
  if (ref === undefined) return parseReference(text);
  return { transport: 'ostree', location: '', ...(ref === '' ? {} : { ref }) };
}

/** A repository on this host; what a configured remote demands is demanded of it too. */
async function localSourceOf(
  location: string,
  options: Options,
): Promise<{ readonly source: OstreeAddress; readonly trust: TrustPolicy }> {
  const configured = await configuredRemote(options);
  return { source: { kind: 'local', path: resolve(location) }, trust: configured?.trust ?? {} };
}

async function pullOptions(
  context: Context,
  options: Options,
  trust: TrustPolicy,
): Promise<PullCommitOptions> {
  const [noDelta, requireDelta] = [options['delta'] === false, flag(options, 'requireDelta')];
  const subpaths = listOf(options['subpath']);
  const commitOnly = flag(options, 'commitMetadataOnly');
  if (commitOnly && subpaths.length > 0) {
    throw new UsageError(
      'Cannot pull: expected either --subpath or --commit-metadata-only, found both',
    );
  }
  return {
    ...context.operation,
    bases: listOf(options['base']),
    deltas: noDelta ? 'never' : requireDelta ? 'require' : 'auto',
    trust: await trustOptions(options, trust),
    subset: textOption(options, 'subset'),
    summary: await summaryOption(options),
    keepDetached: flag(options, 'keepSignatures'),
    subpaths: subpaths.length === 0 ? undefined : subpaths,
    commitOnly,
    depth: depthOption(textOption(options, 'depth')),
    reading: readingOption(options),
    workers: context.jobs,
  };
}

function depthOption(text: string | undefined): number | undefined {
  return text === '-1' ? -1 : wholeNumber(text, '--depth');
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function documentOf(
  commits: readonly PulledCommit[],
  traffic: PulledCommits['traffic'],
  { isSingle }: Request,
): object {
  const total = { traffic: traffic ?? null };
  const [first] = commits;
  return isSingle && first !== undefined
    ? { kind: 'ostree', ...reportDocument(first), ...total }
    : { kind: 'ostree', commits: commits.map(reportDocument), ...total };
}

function reportDocument(report: PulledCommit) {
  const {
    upstreamId: _,
    traffic: _traffic,
    ref,
    parent,
    imageId,
    delta,
    history,
    ...rest
  } = report;
  return {
    ref: ref ?? null,
    ...rest,
    parent: parent ?? null,
    imageId: imageId ?? null,
    delta: delta ?? null,
    history:
      history === undefined
        ? null
        : {
            ...history,
            missing: history.missing ?? null,
            commits: history.commits.map((one) => ({ ...one, imageId: one.imageId ?? null })),
          },
  };
}

const HISTORY_ENDS: Readonly<Record<HistoryEnd, string>> = {
  depth: '',
  root: ', the whole history',
  missing: ', the source lacks the next one',
  deleted: ', the next one was deleted',
};

function printReport(report: PulledCommit, line: (text: string) => void): void {
  const { counts, signedBy, history } = report;
  line(
    `Pulled ${report.ref ?? report.commit}${report.wasPresent ? ', which was here already' : ''}`,
  );
  line(`  commit:   ${report.commit}`);
  if (report.imageId !== undefined) line(`  image:    ${report.imageId}`);
  if (report.subpaths?.length === 0) line('  only the commit object');
  for (const path of report.subpaths ?? []) line(`  subpath:  ${path}`);
  const known = counts.metadataKnown + counts.filesKnown;
  line(
    `  objects:  ${counts.metadataFetched} metadata + ${counts.filesFetched} files fetched, ${known} were here` +
      (report.delta === undefined ? '' : ', a static delta helped'),
  );
  if (history !== undefined) {
    line(`  history:  ${history.commits.length} ancestors${HISTORY_ENDS[history.end]}`);
  }
  for (const key of signedBy) line(`  signed:   ${key}`);
}

function printTraffic(traffic: PulledCommits['traffic'], line: (text: string) => void): void {
  if (traffic === undefined) return;
  line(`  network:  ${traffic.requests} requests, ${formatSize(traffic.bodyBytes)}`);
}
