import { availableParallelism } from 'node:os';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { inTurns } from '#base/flow';
import { type Commit, parseCommit } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import {
  COMMITMETA_REF,
  isWhole,
  normaliseSubpaths,
  openBase,
  openPartial,
  type PartialCommit,
  parseSubpaths,
  readCommitRef,
  readPartialRef,
  requirePaths,
  storeCommit,
  storeImage,
  storePartialCommit,
} from '#work/commits';
import { commitOfDelta, type DeltaOrigin, tryDelta } from './delta/delta.ts';
import { type AskedSource, askAhead } from './delta/delta-ahead.ts';
import { localDeltas, localSummary } from './delta/local-deltas.ts';
import { FilePool } from './files/file-pool.ts';
import { addBases } from './gather/bases.ts';
import { type GatherCounts, gatherCommit } from './gather/gather.ts';
import { GatheredCommit } from './gather/gathered.ts';
import { PullJournal } from './gather/journal.ts';
import { KnownObjects } from './gather/known.ts';
import { encodeRecord } from './gather/records.ts';
import { type CommitSource, localSource, remoteSource } from './gather/source.ts';
import type { PullOneOptions, PullOrigin } from './options.ts';
import type { OnePulled, PulledCommit } from './report.ts';
import { publishedRefName, type ResolvedTarget } from './resolve/target.ts';
import { type TrustPolicy, verifyCommit } from './trust/trust.ts';

/** Number of threads for files, in addition to this one. */
const FILE_WORKERS = Math.min(3, availableParallelism() - 1);

const NOTHING_FETCHED: GatherCounts = {
  metadataFetched: 0,
  filesFetched: 0,
  metadataKnown: 0,
  filesKnown: 0,
};

/**
 * Pulls one commit, without its ref: verifies it, fetches missing objects, and stores image and commit stream. The commit has no ref
 * afterwards.
 * @throws as `pullCommit`
 */
export async function pullOne(
  repository: Repository,
  target: ResolvedTarget,
  options: PullOneOptions,
  origin: PullOrigin,
): Promise<OnePulled> {
  return await new CommitPull(repository, target, options, origin).run();
}

class CommitPull {
  readonly #repository: Repository;
  readonly #target: ResolvedTarget;
  readonly #options: PullOneOptions;
  readonly #origin: PullOrigin;
  readonly #current: OstreeChecksum | undefined;
  #detachedAnswer: Promise<Uint8Array | undefined> | undefined;

  constructor(
    repository: Repository,
    target: ResolvedTarget,
    options: PullOneOptions,
    origin: PullOrigin,
  ) {
    this.#repository = repository;
    this.#target = target;
    this.#options = options;
    this.#origin = origin;
    this.#current = target.ref === undefined ? undefined : readCommitRef(repository, target.ref);
  }

  async run(): Promise<OnePulled> {
    const { ref, commit } = this.#target;
    this.#options.onProgress?.({ type: 'note', text: `Fetching ${ref ?? commit}` });
    return (await this.#acceptPresent(commit)) ?? (await this.#pull(commit));
  }

  /** A complete stored commit needs only a ref and perhaps an image. */
  async #acceptPresent(commit: OstreeChecksum): Promise<OnePulled | undefined> {
    const repository = this.#repository;
    const { signal } = this.#options;
    const stored = openBase(repository, commit);
    // A missing image, or one with other options, is built in the usual way.
    if (stored === undefined || !(await isWhole(repository, stored, { signal }))) return undefined;
    const { objects: stream, imageId } = stored;
    if (this.#options.reading !== undefined) {
      const reading = this.#options.reading;
      const { signal } = this.#options;
      const found = await storeImage(repository, stream, { reading, signal });
      if (found !== imageId) return undefined;
    }
    const detached = await this.#namedRefs(commit);
    const keptDetached = stored.namedRefs.get(COMMITMETA_REF);
    // Detached metadata may have changed since.
    if (detached !== undefined && detached.get(COMMITMETA_REF) !== keptDetached) return undefined;
    const signedBy = await this.#verify(commit, stored.bytes);
    this.#requirePaths(stream);
    return {
      commit,
      parent: stored.commit.parent,
      ref: this.#target.ref,
      streamId: stored.streamId,
      imageId,
      upstreamId: undefined,
      wasPresent: true,
      subpaths: undefined,
      counts: NOTHING_FETCHED,
      delta: undefined,
      signedBy,
    };
  }

  async #pull(commit: OstreeChecksum): Promise<OnePulled> {
    const repository = this.#repository;
    const { signal, onProgress } = this.#options;
    const { workers = FILE_WORKERS } = this.#options;
    using journal = PullJournal.open(repository, commit);
    const known = new KnownObjects(repository, journal);
    await using pool = new FilePool({
      seed: repository.objects.writerSeed(),
      journalFd: journal?.fd,
      localPath: 'path' in this.#origin ? this.#origin.path : undefined,
      workers,
      signal,
    });
    const source = this.#source(pool);
    const partial = openPartial(repository, commit);
    const subpaths = this.#subpaths(partial);
    const deltas = subpaths === undefined ? this.#deltas(commit) : undefined;
    await using _asked = deltas?.asked;
    if ('remote' in this.#origin && subpaths?.length !== 0) pool.prepareFor(this.#origin.remote);
    const commitBytes = await this.#commitObject(source, known, journal, deltas);
    const signedBy = await this.#verify(commit, commitBytes);
    const { parent } = parseCommit(commitBytes);
    if (subpaths?.length !== 0) this.#addBases(known, parent, partial);
    await known.settle({ signal });
    const gathered = new GatheredCommit(commit, commitBytes, known.closest);
    let counts = NOTHING_FETCHED;
    let delta: PulledCommit['delta'];
    if (subpaths?.length !== 0) {
      if (deltas !== undefined) delta = await this.#tryDelta(commit, known, pool, deltas);
      const wanted = subpaths === undefined ? undefined : parseSubpaths(subpaths);
      const context = { source, known, gathered, journal, wanted, signal, onProgress };
      counts = await gatherCommit(context);
      pool.retire();
      this.#requirePaths(gathered);
    }
    const namedRefs = await this.#namedRefs(commit);
    const { reading, withUpstreamId } = this.#options;
    const how = { namedRefs, reading, withUpstreamId, signal };
    const content = await inTurns(gathered.encodeInSteps(), { signal });
    const stored =
      subpaths === undefined
        ? await storeCommit(repository, commit, content, { ...how, objects: gathered })
        : await storePartialCommit(repository, commit, content, subpaths, how);
    journal?.remove();
    const { ref } = this.#target;
    return { ...stored, parent, ref, wasPresent: false, subpaths, counts, delta, signedBy };
  }

  #addBases(
    known: KnownObjects,
    parent: OstreeChecksum | undefined,
    partial: PartialCommit | undefined,
  ): void {
    const { ref, commit } = this.#target;
    const { bases: named = [], recent } = this.#options;
    // The commit is its own base if only its image or its detached metadata change.
    const own = openBase(this.#repository, commit);
    if (own !== undefined) known.addBase(own.objects);
    const current = this.#current === commit ? undefined : this.#current;
    addBases(this.#repository, known, { named, parent, current, recent, ref });
    if (partial !== undefined) known.addBase(partial.objects);
  }

  async #tryDelta(
    commit: OstreeChecksum,
    known: KnownObjects,
    { tools }: FilePool,
    deltas: DeltaOrigin,
  ): Promise<PulledCommit['delta']> {
    const { deltas: policy = 'auto', signal, onProgress } = this.#options;
    return await tryDelta(commit, {
      repository: this.#repository,
      ...deltas,
      known,
      tools,
      policy,
      signal,
      onProgress,
    });
  }

  /** The source of deltas to the commit; undefined if deltas are not used. */
  #deltas(commit: OstreeChecksum): (DeltaOrigin & { asked?: AskedSource }) | undefined {
    const { subpaths, deltas: policy = 'auto', signal } = this.#options;
    const origin = this.#origin;
    if (policy === 'never' || subpaths !== undefined) return undefined;
    const current = this.#current === commit ? undefined : this.#current;
    if ('remote' in origin) {
      const { summary } = this.#target;
      const source = askAhead(origin.remote, commit, { summary, current, signal });
      return { source, summary, current, asked: source };
    }
    // On a disk, single objects cost less, so a delta is used on request only.
    if (policy !== 'require') return undefined;
    const { repo } = origin;
    return { source: localDeltas(repo), summary: localSummary(repo), current, isLocal: true };
  }

  /** The requested and the stored paths; undefined for a complete commit, empty for the commit object only. */
  #subpaths(partial: PartialCommit | undefined): readonly string[] | undefined {
    const { subpaths, commitOnly } = this.#options;
    const asked = commitOnly === true ? [] : subpaths;
    if (asked === undefined) return undefined;
    const all = normaliseSubpaths([...asked, ...(partial?.subpaths ?? [])]);
    return all.includes('/') ? undefined : all;
  }

  #requirePaths(objects: Parameters<typeof requirePaths>[1]): void {
    const { subpaths = [], commitOnly, isAncestor } = this.#options;
    if (commitOnly === true || isAncestor === true) return;
    requirePaths(this.#target.commit, objects, subpaths);
  }

  #source(pool: FilePool): CommitSource {
    return 'remote' in this.#origin
      ? remoteSource(this.#origin.remote, this.#origin.url.replace(/\?.*$/s, ''), pool)
      : localSource(this.#origin.repo, pool);
  }

  async #commitObject(
    source: CommitSource,
    known: KnownObjects,
    journal: PullJournal | undefined,
    deltas: DeltaOrigin | undefined,
  ): Promise<Uint8Array> {
    const { commit, commitMaxBytes } = this.#target;
    const found = known.metadata('commit', commit);
    if (found !== undefined) return found;
    const { signal } = this.#options;
    const repository = this.#repository;
    const limit = commitMaxBytes === undefined ? {} : { maxBytes: commitMaxBytes };
    const bytes =
      (await source.metadata('commit', commit, { ...limit, signal })) ??
      (deltas && (await commitOfDelta(commit, { ...deltas, repository, signal })));
    if (bytes === undefined) {
      const { missingHint: hint } = source;
      throw new NotFoundError(
        'OSTREE_OBJECT_MISSING',
        `Cannot pull commit ${commit}: ${source.label} does not have it`,
        { checksum: commit, kind: 'commit' },
        hint === undefined ? {} : { hint },
      );
    }
    journal?.append(encodeRecord({ kind: 'commit', checksum: commit, bytes }));
    return bytes;
  }

  /** Checks signatures, bindings and timestamp before any file is fetched. */
  async #verify(commit: OstreeChecksum, bytes: Uint8Array): Promise<string[]> {
    const { trust = {} } = this.#options;
    const isSigned = (trust.commitGates?.length ?? 0) > 0;
    const { ref, isByRef } = this.#target;
    return await verifyCommit(
      {
        bytes,
        // A commit that was requested by its checksum may be stored under any ref.
        ref: ref !== undefined && isByRef ? publishedRefName(ref) : undefined,
        detached: isSigned ? await this.#detached(commit) : undefined,
        current: this.#currentCommit(trust),
      },
      trust,
    );
  }

  /** The commit that the pulled commit may not be older than. A given commit must be stored, at least its commit object. */
  #currentCommit({ notOlderThan }: TrustPolicy): Commit | undefined {
    if (notOlderThan === undefined) return undefined;
    const repository = this.#repository;
    const { ref } = this.#target;
    const isNamed = notOlderThan !== 'current';
    const partial = ref === undefined ? undefined : readPartialRef(repository, ref);
    const wanted = isNamed ? notOlderThan : (this.#current ?? partial);
    if (wanted === undefined) return undefined;
    const found = openBase(repository, wanted) ?? openPartial(repository, wanted);
    if (found !== undefined || !isNamed) return found?.commit;
    throw new NotFoundError(
      'OSTREE_COMMIT_NOT_FOUND',
      `Cannot compare with commit "${wanted}": the repository does not have it`,
      { name: wanted },
    );
  }

  /** The current detached metadata, fetched once per pull, because they may change at any time. */
  async #detached(commit: OstreeChecksum): Promise<Uint8Array | undefined> {
    if (!('remote' in this.#origin)) return this.#origin.repo.state.readDetached(commit);
    const { signal } = this.#options;
    this.#detachedAnswer ??= this.#origin.remote.commitmeta(commit, { signal });
    return await this.#detachedAnswer;
  }

  async #namedRefs(commit: OstreeChecksum): Promise<ReadonlyMap<string, ObjectId> | undefined> {
    if (this.#options.keepDetached !== true) return undefined;
    const bytes = await this.#detached(commit);
    if (bytes === undefined) return undefined;
    return new Map([[COMMITMETA_REF, this.#repository.objects.ensureBytes(bytes).id]]);
  }
}
