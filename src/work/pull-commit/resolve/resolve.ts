import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import { pool } from '#base/flow';
import {
  computeMetadataChecksum,
  encodeSummaryCache,
  parseSummary,
  parseSummaryCache,
  parseSummaryIndex,
  readInline,
  requireRefName,
  type Summary,
  summaryStreamName,
  verifyNotExpired,
} from '#formats/ostree';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import type { Conditional, OstreeRemote, Validators } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { passGates, type TrustPolicy } from '../trust/trust.ts';

/** A summary that the caller has already: one consistent view for many pulls. */
export interface SuppliedSummary {
  readonly bytes: Uint8Array;
  readonly signatures?: Uint8Array | undefined;
}

/** How to find out what a ref means. */
export interface ResolveOptions {
  readonly trust: TrustPolicy;
  readonly summary?: SuppliedSummary | undefined;
  /** Key of the summary index; the architecture of the host when undefined. */
  readonly subset?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a remote says about a ref. */
export interface ResolvedRef {
  readonly commit: OstreeChecksum;
  /** Most bytes the commit object may have, when a summary says so. */
  readonly commitMaxBytes: number | undefined;
  /** The summary that was believed, if there is one. */
  readonly summary: Summary | undefined;
}

/** Architectures as flatpak spells them, by Node's names. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  ia32: 'i386',
  arm64: 'aarch64',
  arm: 'arm',
};

/** Refs to be resolved: these, or all that the summary lists. */
export type WantedRefs = readonly string[] | 'all';

const NOTHING = new Uint8Array(0);

/** A summary of up to this size is read without requesting an index of summaries first, in bytes. */
const SUMMARY_AT_ONCE_BYTES = 1 << 20;
/** Ref files asked for at the same time, of those that the summary lacks. */
const REF_FILES_AT_ONCE = 16;

/** As `resolveRemoteRefs`, of one ref. */
export async function resolveRemoteRef(
  repository: Repository | undefined,
  remote: OstreeRemote,
  url: string,
  ref: string,
  options: ResolveOptions,
): Promise<ResolvedRef> {
  const found = await resolveRemoteRefs(repository, { remote, url }, [ref], options);
  return found.get(ref) ?? notFound(ref, url);
}

/**
 * Asks a remote for its summary and (for a single ref) the ref file at the same time, and believes them in this order: one view of the
 * remote for all refs. Refs that a summary lacks are looked for in `refs/heads` unless summaries must be signed. Without a repository
 * nothing is cached.
 * @returns what each ref means, in the order of the refs
 * @throws NotFoundError OSTREE_REF_NOT_FOUND; OSTREE_SUMMARY_NOT_FOUND for all refs without a summary; IntegrityError
 * OSTREE_SIGNATURE_MISSING, OSTREE_SIGNATURE_INVALID, OSTREE_SUMMARY_EXPIRED; FormatError OSTREE_REF_INVALID; TransportError
 */
export async function resolveRemoteRefs(
  repository: Repository | undefined,
  from: { readonly remote: OstreeRemote; readonly url: string },
  refs: WantedRefs,
  options: ResolveOptions,
): Promise<ReadonlyMap<string, ResolvedRef>> {
  const { remote, url } = from;
  const mustBeSigned = (options.trust.summaryGates?.length ?? 0) > 0;
  if (options.summary !== undefined)
    return await refsOfSummary(options.summary, refs, options.trust);
  const only = refs !== 'all' && refs.length === 1 && !mustBeSigned ? refs[0] : undefined;
  const onlyAnswer = settled(only === undefined ? undefined : remote.ref(only, options));
  const isAnswered = async () => {
    const answer = await onlyAnswer;
    return 'value' in answer && answer.value !== undefined;
  };
  const summary =
    refs === 'all'
      ? await fetchSummary(repository, remote, url, options)
      : await fetchSummaryOfNames(repository, remote, url, { ...options, isAnswered });
  if (summary === undefined && refs === 'all') failNoSummary('pull all refs', url);
  const found = summary === undefined ? new Map<string, ResolvedRef>() : inSummary(summary, refs);
  const lacking = lackingOf(refs, found);
  if (lacking[0] !== undefined && mustBeSigned) return notFound(lacking[0], 'the signed summary');
  await pool(lacking, REF_FILES_AT_ONCE, async (ref) => {
    const commit = ref === only ? await unsettle(onlyAnswer) : await remote.ref(ref, options);
    const where = summary === undefined ? url : 'summary and refs/heads';
    if (commit === undefined) return notFound(ref, where);
    found.set(ref, { commit, commitMaxBytes: undefined, summary });
  });
  return found;
}

/**
 * What a summary at hand says about refs, once it is believed.
 * @throws NotFoundError OSTREE_REF_NOT_FOUND; IntegrityError OSTREE_SIGNATURE_MISSING, OSTREE_SIGNATURE_INVALID,
 * OSTREE_SUMMARY_EXPIRED; as `parseSummary`
 */
export async function refsOfSummary(
  { bytes, signatures }: SuppliedSummary,
  refs: WantedRefs,
  trust: TrustPolicy,
): Promise<ReadonlyMap<string, ResolvedRef>> {
  const found = inSummary(await believe(bytes, signatures, trust), refs);
  for (const ref of lackingOf(refs, found)) notFound(ref, 'the summary');
  return found;
}

/** @throws NotFoundError OSTREE_SUMMARY_NOT_FOUND */
export function failNoSummary(what: string, url: string): never {
  throw new NotFoundError(
    'OSTREE_SUMMARY_NOT_FOUND',
    `Cannot ${what}: the remote has no summary`,
    { url: shownUrl(url) },
    { hint: 'Pull a ref by its name; the refs cannot be listed without a summary' },
  );
}

/**
 * The summary of a remote: the subset of its index, or the plain one, conditionally. Undefined when it has none.
 * @throws as resolveRemoteRef
 */
export async function fetchSummary(
  repository: Repository | undefined,
  remote: OstreeRemote,
  url: string,
  options: ResolveOptions,
): Promise<Summary | undefined> {
  // A remote with an index may have a very large plain summary: its transfer is given up once the index is there.
  const giveUp = new AbortController();
  const signals = [giveUp.signal, ...(options.signal === undefined ? [] : [options.signal])];
  const signal = AbortSignal.any(signals);
  const plain = settled(fetchPlain<never>(repository, remote, url, { ...options, signal }));
  const subset = await fetchSubset(repository, remote, url, options);
  if (subset === undefined) return (await unsettle(plain)) ?? (await lackSummary(options));
  giveUp.abort(new Error('the summary index serves'));
  return subset;
}

/** A gate that finds nothing says so. */
async function lackSummary({ trust }: ResolveOptions): Promise<undefined> {
  await passGates(NOTHING, undefined, trust.summaryGates, 'summary');
}

/**
 * As `fetchSummary`, to look names up: the plain summary where it is short, which spares a request. A remote with an index may have a very
 * large one: so it is taken to have when a subset was named or came before. One whose ref file has answered is asked for no more.
 */
async function fetchSummaryOfNames(
  repository: Repository | undefined,
  remote: OstreeRemote,
  url: string,
  options: ResolveOptions & { readonly isAnswered: () => Promise<boolean> },
): Promise<Summary | undefined> {
  const { signal, subset: named, isAnswered } = options;
  const isIndexed = named !== undefined || hasCache(repository, cacheName(url, subsetOf(options)));
  let failure: unknown;
  const ask = (known: Validators) => remote.summaryUpTo(SUMMARY_AT_ONCE_BYTES, known, { signal });
  const first = isIndexed
    ? 'large'
    : await fetchPlain(repository, remote, url, { ...options, ask }).catch((error: unknown) => {
        failure = unlessTransport(error, signal);
        return 'failed' as const;
      });
  if (typeof first === 'object') return first;
  if (first === undefined && (await isAnswered())) return undefined;
  const subset = await fetchSubset(repository, remote, url, options);
  if (subset !== undefined) return subset;
  if (first === 'failed') throw failure;
  const plain =
    first === 'large' ? await fetchPlain<never>(repository, remote, url, options) : undefined;
  return plain ?? (await lackSummary(options));
}

/** A failure of the network, after which something else may help. @throws every other one */
function unlessTransport(error: unknown, signal: AbortSignal | undefined): unknown {
  signal?.throwIfAborted();
  if (isOnecopyError(error) && error.kind === 'transport') return error;
  throw error;
}

function subsetOf({ subset }: ResolveOptions): string {
  return subset ?? ARCHITECTURES[process.arch] ?? process.arch;
}

async function fetchSubset(
  repository: Repository | undefined,
  remote: OstreeRemote,
  url: string,
  options: ResolveOptions,
): Promise<Summary | undefined> {
  const { trust, signal } = options;
  // A remote that refuses this one file may still have a summary.
  const bytes = await remote.summaryIndex({ signal }).catch((error: unknown) => {
    unlessTransport(error, signal);
    return undefined;
  });
  if (bytes === undefined) return undefined;
  const index = parseSummaryIndex(bytes);
  const key = subsetOf(options);
  const entry = index.subsets.find(({ name }) => name === key);
  if (entry === undefined) return undefined;
  if ((trust.summaryGates?.length ?? 0) > 0) {
    const signatures = await remote.summaryIndexSignatures(bytes, { signal });
    await passGates(bytes, signatures, trust.summaryGates, 'summary index');
  }
  const name = cacheName(url, key);
  const cached = readCache(repository, name);
  if (
    cached?.checksum === entry.current &&
    computeMetadataChecksum(cached.summary) === entry.current
  ) {
    return parseSummary(cached.summary);
  }
  const summary = await remote.subsummary(entry.current, { signal });
  if (summary === undefined) return notFound(key, 'the files of the summary index');
  await writeCache(repository, name, {
    etag: '',
    lastModified: '',
    checksum: entry.current,
    summary,
  });
  return parseSummary(summary);
}

/** The plain summary, or the word of `ask` for why it has none. */
async function fetchPlain<Word extends string = never>(
  repository: Repository | undefined,
  remote: OstreeRemote,
  url: string,
  options: ResolveOptions & {
    readonly ask?: (known: Validators) => Promise<Conditional | Word | undefined>;
  },
): Promise<Summary | Word | undefined> {
  const { trust, signal, ask = (known) => remote.summary(known, { signal }) } = options;
  const mustBeSigned = (trust.summaryGates?.length ?? 0) > 0;
  const name = cacheName(url);
  const cached = readCache(repository, name);
  const known = {
    etag: cached === undefined || cached.etag === '' ? undefined : cached.etag,
    lastModified:
      cached === undefined || cached.lastModified === '' ? undefined : cached.lastModified,
  };
  const [answer, signatures] = await Promise.all([
    ask(known),
    mustBeSigned ? remote.summarySignatures(undefined, { signal }) : undefined,
  ]);
  if (answer === undefined || typeof answer === 'string') return answer;
  const bytes = answer.isCurrent ? cached?.summary : answer.bytes;
  if (bytes === undefined) return undefined;
  const signatureBytes =
    signatures === undefined || signatures.isCurrent ? undefined : signatures.bytes;
  const summary = await believe(bytes, signatureBytes, trust);
  if (!answer.isCurrent) await remember(repository, name, answer);
  return summary;
}

async function believe(
  bytes: Uint8Array,
  signatures: Uint8Array | undefined,
  trust: TrustPolicy,
): Promise<Summary> {
  await passGates(bytes, signatures, trust.summaryGates, 'summary');
  const summary = parseSummary(bytes);
  if (trust.acceptExpired !== true)
    verifyNotExpired(summary, BigInt(Math.floor(Date.now() / 1000)));
  return summary;
}

/** What a summary says about refs: the first of each name counts. */
function inSummary(summary: Summary, refs: WantedRefs): Map<string, ResolvedRef> {
  const wanted = refs === 'all' ? undefined : new Set(refs);
  const found = new Map<string, ResolvedRef>();
  for (const { name, checksum: commit, commitBytes } of summary.refs) {
    if (found.has(name) || wanted?.has(name) === false) continue;
    requireRefName(name);
    const bytes = Number(commitBytes);
    const commitMaxBytes = Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
    found.set(name, { commit, commitMaxBytes, summary });
  }
  return found;
}

function lackingOf(refs: WantedRefs, found: ReadonlyMap<string, ResolvedRef>): readonly string[] {
  return refs === 'all' ? [] : refs.filter((ref) => !found.has(ref));
}

/** Host and path as upstream, and the port, without which two servers on one host would share a cache. */
function cacheName(url: string, subset?: string): string {
  const parsed = new URL(url.replace(/^mirrorlist=/, ''));
  const name = summaryStreamName(parsed, subset);
  return parsed.port === '' ? name : `${name}@${parsed.port}`;
}

type Cached = ReturnType<typeof parseSummaryCache>;

function hasCache(repository: Repository | undefined, name: string): repository is Repository {
  if (repository === undefined || Buffer.byteLength(name) > 255) return false;
  return repository.streams.has(name);
}

function readCache(repository: Repository | undefined, name: string): Cached | undefined {
  try {
    if (!hasCache(repository, name)) return undefined;
    using opened = repository.streams.open(name, { contentType: CONTENT_TYPES.ostreeSummary });
    return parseSummaryCache(readInline(opened.stream));
  } catch (error) {
    // A cache that cannot be read is no cache.
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}

async function remember(
  repository: Repository | undefined,
  name: string,
  answer: Extract<Conditional, { isCurrent: false }>,
): Promise<void> {
  const { etag, lastModified } = answer.validators;
  if (etag === undefined && lastModified === undefined) return;
  await writeCache(repository, name, {
    etag: etag ?? '',
    lastModified: lastModified ?? '',
    checksum: computeMetadataChecksum(answer.bytes),
    summary: answer.bytes,
  });
}

async function writeCache(
  repository: Repository | undefined,
  name: string,
  cached: Cached,
): Promise<void> {
  const content = encodeSummaryCache(cached);
  if (repository === undefined || content === undefined || Buffer.byteLength(name) > 255) return;
  using writer = new SplitstreamWriter({
    algorithm: repository.algorithm,
    contentType: CONTENT_TYPES.ostreeSummary,
  });
  writer.writeInline(content);
  repository.streams.publish(name, await writer.finish());
}

type Settled<T> = Promise<{ readonly value: T } | { readonly error: unknown }>;

/** Starts something whose failure matters only if its result is asked for. */
function settled<T>(work: Promise<T> | undefined): Settled<T | undefined> {
  return Promise.resolve(work).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

async function unsettle<T>(work: Settled<T>): Promise<T> {
  const result = await work;
  if ('error' in result) throw result.error;
  return result.value;
}

function notFound(ref: string, where: string): never {
  throw new NotFoundError(
    'OSTREE_REF_NOT_FOUND',
    `Cannot find ref "${ref}" in ${shownUrl(where)}`,
    { ref },
    { hint: 'List the refs of a source with: onecopy ostree list-refs SOURCE' },
  );
}

/** A URL without what may be secret in it. */
function shownUrl(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//').replace(/\?.*$/s, '');
}
