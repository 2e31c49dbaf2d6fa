import { resolve } from 'node:path';
import { parseReference } from '#work/export';
import {
  listRemoteRefs,
  openConfiguredRemote,
  type PullCommitOptions,
  type PulledCommit,
  type PullSource,
  planPullCommit,
  pullCommit,
  type TrustPolicy,
} from '#work/ostree';
import { locateRepository, openOrCreate } from '#work/repository';
import { type Action, type Context, flag, textOption } from '../context.ts';
import { UsageError } from '../output.ts';
import { openIfPresent } from '../repository.ts';
import { formatSize } from '../units.ts';
import { trustOptions } from './ostree-trust.ts';

type Options = Readonly<Record<string, unknown>>;

/** `pull ostree:…` and `pull ostree-local:…`: brings a commit into the repository and names it by its ref. */
export async function pullOstree(
  context: Context,
  reference: string,
  options: Options,
): Promise<number> {
  const { source, target, trust } = await resolveSource(reference, options);
  const request = await pullOptions(context, options, trust);
  if (context.dryRun) return await plan(context, source, target, request);
  const { repository } = await openOrCreate(context.selection, {
    ...context.operation,
    mayInit: context.mayInit,
    requireVerity: context.requireVerity,
  });
  using open = repository;
  const report = await pullCommit(open, source, target, request);
  if (context.out.json) context.out.document({ dryRun: false, ...reportDocument(report) });
  else printReport(report, context.out.line);
  return 0;
}

/** `ostree list-refs`: the refs that a remote offers. */
export const listRefs: Action = async (context, [url = ''], options) => {
  const { source, trust } = await remoteOf(url, options);
  using repository = await openIfPresent(context);
  const { refs, collectionId } = await listRemoteRefs(repository, source, {
    trust: await trustOptions(options, trust),
    subset: textOption(options, 'subset'),
    signal: context.signal,
  });
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

async function plan(
  context: Context,
  source: PullSource,
  target: string,
  request: PullCommitOptions,
): Promise<number> {
  using repository = await openIfPresent(context);
  const found = await planPullCommit(repository, source, target, request);
  const wouldCreate = repository === undefined;
  if (context.out.json) context.out.document({ dryRun: true, wouldCreate, ...found });
  if (wouldCreate) context.out.line(`Would create ${locateRepository(context.selection)}`);
  context.out.line(
    found.isPresent
      ? `Commit ${found.commit} is here already`
      : `Would pull commit ${found.commit}${found.current ? `, after ${found.current}` : ''}`,
  );
  return 0;
}

async function pullOptions(
  context: Context,
  options: Options,
  trust: TrustPolicy,
): Promise<PullCommitOptions> {
  const bases = options['base'];
  const [noDelta, requireDelta] = [options['delta'] === false, flag(options, 'requireDelta')];
  return {
    ...context.operation,
    bases: Array.isArray(bases) ? bases.map(String) : [],
    deltas: noDelta ? 'never' : requireDelta ? 'require' : 'auto',
    trust: await trustOptions(options, trust),
    subset: textOption(options, 'subset'),
    keepDetached: flag(options, 'keepSignatures'),
    compatXattrNul: flag(options, 'compatXattrNul') ? true : undefined,
    workers: context.jobs,
  };
}

async function resolveSource(
  text: string,
  options: Options,
): Promise<{ source: PullSource; target: string; trust: TrustPolicy }> {
  const reference = parseReference(text);
  if (reference.transport !== 'ostree' && reference.transport !== 'ostree-local') {
    throw new UsageError(`Cannot pull "${text}": expected ostree:URL:REF or ostree-local:PATH:REF`);
  }
  const { location, ref: target } = reference;
  if (reference.transport === 'ostree-local') {
    return { source: { kind: 'local', path: resolve(location) }, target, trust: {} };
  }
  return { target, ...(await remoteOf(location, options)) };
}

/** A URL, with what a configured remote says about how to reach it and whom to trust. */
async function remoteOf(
  url: string,
  options: Options,
): Promise<{ source: Extract<PullSource, { kind: 'remote' }>; trust: TrustPolicy }> {
  const config = textOption(options, 'remoteConfig');
  const name = textOption(options, 'remote');
  if ((config === undefined) !== (name === undefined)) {
    throw new UsageError(
      'Cannot use a configured remote: expected both --remote-config and --remote',
    );
  }
  if (config === undefined || name === undefined)
    return { source: { kind: 'remote', url }, trust: {} };
  const { source, trust } = await openConfiguredRemote(resolve(config), name);
  return { source: { ...source, url }, trust };
}

function reportDocument(report: PulledCommit) {
  const { upstreamId: _, ref, delta, traffic, signedBy, ...rest } = report;
  return {
    kind: 'ostree',
    ref: ref ?? null,
    ...rest,
    delta: delta ?? null,
    traffic: traffic ?? null,
    signedBy,
  };
}

function printReport(report: PulledCommit, line: (text: string) => void): void {
  const { counts, traffic, signedBy } = report;
  line(
    `Pulled ${report.ref ?? report.commit}${report.wasPresent ? ', which was here already' : ''}`,
  );
  line(`  commit:   ${report.commit}`);
  line(`  image:    ${report.imageId}`);
  const known = counts.metadataKnown + counts.filesKnown;
  line(
    `  objects:  ${counts.metadataFetched} metadata + ${counts.filesFetched} files fetched, ${known} were here` +
      (report.delta === undefined ? '' : ', a static delta helped'),
  );
  if (traffic !== undefined) {
    line(`  network:  ${traffic.requests} requests, ${formatSize(traffic.bodyBytes)}`);
  }
  for (const key of signedBy) line(`  signed:   ${key}`);
}
