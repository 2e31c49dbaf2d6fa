import type { OstreeChecksum } from '#base/digest';

const COMMIT_PREFIX = 'ostree-commit-';
const PARTIAL_PREFIX = 'ostree-partial-';

/** Name of the stream of a commit. Source: OSTree spec 3.1. */
export function commitStreamName(commit: OstreeChecksum): string {
  return `${COMMIT_PREFIX}${commit}`;
}

/** The commit behind a stream name, or undefined for other streams. */
export function parseCommitStreamName(name: string): OstreeChecksum | undefined {
  return checksumBehind(COMMIT_PREFIX, name);
}

/** Name of the stream of a commit that is not there completely: upstream takes a commit stream for complete. */
export function partialStreamName(commit: OstreeChecksum): string {
  return `${PARTIAL_PREFIX}${commit}`;
}

/** The commit behind the name of a stream of a partial commit, or undefined for other streams. */
export function parsePartialStreamName(name: string): OstreeChecksum | undefined {
  return checksumBehind(PARTIAL_PREFIX, name);
}

function checksumBehind(prefix: string, name: string): OstreeChecksum | undefined {
  const checksum = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^[0-9a-f]{64}$/.test(checksum) ? (checksum as OstreeChecksum) : undefined;
}

/**
 * Name of the stream that caches the summary of a remote, or a subset of it. As upstream, the key is host and path, so
 * two servers on one host share it: compare the source before trusting the cache.
 */
export function summaryStreamName(url: URL, subset?: string): string {
  const path = `${url.hostname}${url.pathname}`.replace(/\/+$/, '').replaceAll('/', '-');
  return subset === undefined ? `ostree-summary-${path}` : `ostree-subsummary-${subset}-${path}`;
}
