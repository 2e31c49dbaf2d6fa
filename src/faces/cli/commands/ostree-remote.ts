import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type ConfiguredRemote,
  type OstreeAddress,
  openConfiguredRemote,
  type SuppliedSummary,
  type TrustPolicy,
} from '#work/pull-commit';
import { textOption, wholeNumber } from '../context.ts';
import { UsageError } from '../output.ts';

type Options = Readonly<Record<string, unknown>>;
type RemoteSource = Extract<OstreeAddress, { readonly kind: 'remote' }>;

/**
 * How to reach a remote, and whom to trust: a URL, or, without one, what a configured remote says; a URL that is given counts instead
 * of the configured ones.
 */
export async function remoteOf(
  url: string | undefined,
  options: Options,
): Promise<{ readonly source: RemoteSource; readonly trust: TrustPolicy }> {
  const http = httpOptions(options);
  const configured = await configuredRemote(options);
  if (configured === undefined) {
    if (url !== undefined) return { source: { kind: 'remote', url, http }, trust: {} };
    throw new UsageError('Cannot find the remote: expected a URL, or --remote-config and --remote');
  }
  const { trust, source } = configured;
  const { contentUrl: _, ...elsewhere } = source;
  const where = url === undefined || url === source.url ? source : { ...elsewhere, url };
  return { source: { ...where, http: { ...source.http, ...http } }, trust };
}

/** The remote that `--remote-config` and `--remote` name: whom to trust, also for a source on this host. */
export async function configuredRemote(options: Options): Promise<ConfiguredRemote | undefined> {
  const config = textOption(options, 'remoteConfig');
  const name = textOption(options, 'remote');
  if ((config === undefined) !== (name === undefined)) {
    throw new UsageError(
      'Cannot use a configured remote: expected both --remote-config and --remote',
    );
  }
  if (config === undefined || name === undefined) return undefined;
  return await openConfiguredRemote(resolve(config), name);
}

/** A summary that is at hand, so that several calls see one state of the remote. */
export async function summaryOption(options: Options): Promise<SuppliedSummary | undefined> {
  const file = textOption(options, 'summary');
  const signatures = textOption(options, 'summarySignatures');
  if (file === undefined && signatures !== undefined) {
    throw new UsageError('Cannot use --summary-signatures: expected --summary too');
  }
  if (file === undefined) return undefined;
  return {
    bytes: await readFile(file),
    signatures: signatures === undefined ? undefined : await readFile(signatures),
  };
}

function httpOptions(options: Options): NonNullable<RemoteSource['http']> {
  const given = options['httpHeader'];
  const lines = Array.isArray(given) ? given.map(String) : [];
  const attempts = wholeNumber(textOption(options, 'retries'), '--retries');
  const timeoutSec = wholeNumber(textOption(options, 'stallTimeout'), '--stall-timeout', 1);
  return {
    ...(lines.length === 0 ? {} : { headers: Object.fromEntries(lines.map(headerOf)) }),
    ...(attempts === undefined ? {} : { retry: { attempts: attempts + 1 } }),
    ...(timeoutSec === undefined ? {} : { noDataTimeoutMs: timeoutSec * 1000 }),
  };
}

/** `NAME=VALUE`, as `ostree pull` takes it, or `NAME: VALUE`. */
function headerOf(text: string): readonly [string, string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)(?:=|: ?)([\t -~]*)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError('Cannot read --http-header: expected NAME=VALUE of printable characters');
}
