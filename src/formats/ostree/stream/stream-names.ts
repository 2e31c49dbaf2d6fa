import type { OstreeChecksum } from '#base/digest';

const COMMIT_PREFIX = 'ostree-commit-';
const PARTIAL_PREFIX = 'ostree-partial-';

/** Name of the stream of a commit. Source: OSTree spec 3.1. */
export function commitStreamName(commit: OstreeChecksum): string {
  return `${COMMIT_PREFIX}${commit}`;
}

/** The commit in a stream name, or undefined for other streams. */
export function parseCommitStreamName(name: string): OstreeChecksum | undefined {
  return checksumBehind(COMMIT_PREFIX, name);
}

/** Name of the stream of an incomplete commit: upstream treats every commit stream as complete. */
export function partialStreamName(commit: OstreeChecksum): string {
  return `${PARTIAL_PREFIX}${commit}`;
}

/** The commit in the name of a partial commit's stream, or undefined for other streams. */
export function parsePartialStreamName(name: string): OstreeChecksum | undefined {
  return checksumBehind(PARTIAL_PREFIX, name);
}

function checksumBehind(prefix: string, name: string): OstreeChecksum | undefined {
  const checksum = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^[0-9a-f]{64}$/.test(checksum) ? (checksum as OstreeChecksum) : undefined;
}

/**
 * Name of the stream that caches the summary of a remote, or of a subset. As upstream, the key is host and path, so
 * two servers on one host share it: compare the source before trusting the cache.
 */
export function summaryStreamName(url: URL, subset?: string): string {
  const path = `${url.hostname}${url.pathname}`.replace(/\/+$/, '').replaceAll('/', '-');
  return subset === undefined ? `ostree-summary-${path}` : `ostree-subsummary-${subset}-${path}`;
}
