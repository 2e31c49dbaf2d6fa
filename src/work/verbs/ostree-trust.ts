import { UsageError } from '#base/errors';
import {
  type ConfiguredRemote,
  gatesOfKeys,
  type OstreeAddress,
  openConfiguredRemote,
  parseTarget,
  readKeyFile,
  type SuppliedSummary,
  type TrustPolicy,
} from '#work/pull-commit';
import type { CommitPullRequest, RemoteKeys, TrustKeys } from './ostree-keys.ts';
import { readNamedFile } from './small-file.ts';

type RemoteSource = Extract<OstreeAddress, { readonly kind: 'remote' }>;

/** URL and trust policy of a remote: a given URL, otherwise the configured ones. A given URL replaces the configured ones. */
export async function remoteOf(
  url: string | undefined,
  request: RemoteKeys,
): Promise<{ readonly source: RemoteSource; readonly trust: TrustPolicy }> {
  const http = httpOf(request);
  const configured = await configuredRemote(request);
  if (configured === undefined) {
    if (url !== undefined) return { source: { kind: 'remote', url, http }, trust: {} };
    throw new UsageError('Cannot find the remote: expected a URL, or --remote-config and --remote');
  }
  const { trust, source } = configured;
  const { contentUrl: _, ...elsewhere } = source;
  const where = url === undefined || url === source.url ? source : { ...elsewhere, url };
  return { source: { ...where, http: { ...source.http, ...http } }, trust };
}

/** The remote of a request, whose trust policy also applies to a source on this host. */
export async function configuredRemote(request: RemoteKeys): Promise<ConfiguredRemote | undefined> {
  const { remoteConfig, remote } = request;
  if (remoteConfig !== undefined && remote !== undefined) {
    return await openConfiguredRemote(remoteConfig, remote);
  }
  if (remoteConfig === undefined && remote === undefined) return undefined;
  throw new UsageError(
    'Cannot use a configured remote: expected both --remote-config and --remote',
  );
}

/** The trust policy of a request: given keys, bindings, order of timestamps. */
export async function trustOf(
  request: TrustKeys & Partial<Omit<CommitPullRequest, 'reference'>>,
  base: TrustPolicy = {},
): Promise<TrustPolicy> {
  const keyrings = request.gpgKey.map(readKeyFile);
  const gates = await gatesOfKeys(keyrings, request.signKey.map(keyText));
  const { commitGates = [], summaryGates = [] } = base;
  return {
    ...base,
    commitGates: [...commitGates, ...gates],
    summaryGates: request.verifySummary === true ? [...summaryGates, ...gates] : summaryGates,
    collectionId: request.collection ?? base.collectionId,
    ...(request.verifyBindings === false ? { verifyBindings: false } : {}),
    ...orderOf(request),
    ...(request.acceptExpired === true ? { acceptExpired: true } : {}),
  };
}

function orderOf(
  request: Partial<Omit<CommitPullRequest, 'reference'>>,
): Pick<TrustPolicy, 'notOlderThan'> {
  const { timestampCheckFrom: from, timestampCheck } = request;
  if (from === undefined) return timestampCheck === true ? { notOlderThan: 'current' } : {};
  const { commit } = /^[0-9a-f]{64}$/.test(from) ? parseTarget(from) : { commit: undefined };
  if (commit !== undefined) return { notOlderThan: commit };
  throw new UsageError(
    `Cannot read --timestamp-check-from: expected a commit id of 64 digits, found "${from}"`,
  );
}

/** A key given as text, or the file that holds it. @throws UsageError */
function keyText(key: string): string {
  if (/^[A-Za-z0-9+/]{43}=$/.test(key)) return key;
  return readNamedFile(key).toString('latin1');
}

/** A given summary file, so that several calls see the same state of the remote. */
export function summaryOf(request: CommitPullRequest): SuppliedSummary | undefined {
  const { summary, summarySignatures } = request;
  if (summary === undefined && summarySignatures !== undefined) {
    throw new UsageError('Cannot use --summary-signatures: expected --summary too');
  }
  if (summary === undefined) return undefined;
  return {
    bytes: readNamedFile(summary),
    signatures: summarySignatures === undefined ? undefined : readNamedFile(summarySignatures),
  };
}

function httpOf(request: RemoteKeys): NonNullable<RemoteSource['http']> {
  const { httpHeader, retries, stallTimeoutSec } = request;
  return {
    ...(httpHeader.length === 0 ? {} : { headers: Object.fromEntries(httpHeader.map(headerOf)) }),
    ...(retries === undefined ? {} : { retry: { attempts: retries + 1 } }),
    ...(stallTimeoutSec === undefined ? {} : { noDataTimeoutMs: stallTimeoutSec * 1000 }),
  };
}

/** `NAME=VALUE`, as `ostree pull` takes it, or `NAME: VALUE`. */
function headerOf(text: string): readonly [string, string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)(?:=|: ?)([\t -~]*)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError('Cannot read --http-header: expected NAME=VALUE of printable characters');
}
