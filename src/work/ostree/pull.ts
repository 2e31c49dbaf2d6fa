import { availableParallelism } from 'node:os';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { OperationOptions, ProgressListener } from '#base/flow';
import { type Commit, parseCommit, type Summary } from '#formats/ostree';
import { OstreeRemote, type OstreeRemoteOptions, type RemoteTraffic } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import { addBases, isComplete, openBase, openPartial, type PartialCommit } from './bases.ts';
import { type DeltaPolicy, tryDelta, type UsedDelta } from './delta.ts';
import { type FetchCounts, gatherCommit } from './fetch.ts';
import { FilePool } from './file-pool.ts';
import { partialRefName, storeCommit, storeImage, streamRefName } from './finish.ts';
import { GatheredCommit } from './gathered.ts';
import { PullJournal } from './journal.ts';
import { KnownObjects } from './known.ts';
import { COMMITMETA_REF } from './open.ts';
import { encodeRecord } from './records.ts';
import { readCommitRef } from './refs.ts';
import { resolveRemoteRef, type SuppliedSummary } from './resolve.ts';
import { type CommitSource, localSource, remoteSource } from './source.ts';
import { normaliseSubpaths, parseSubpaths } from './subpaths.ts';
import { type PullTarget, parseTarget, publishedRefName } from './target.ts';
import { type TrustPolicy, verifyCommit } from './trust.ts';

/** Where to pull from: a served repository, or one on this host. */
export type PullSource =
  | ({ readonly kind: 'remote' } & OstreeRemoteOptions)
  | { readonly kind: 'local'; readonly path: string };

/** How to pull. */
export interface PullCommitOptions extends OperationOptions {
  /** Commits or refs of the repository whose objects need not be fetched, beside those found automatically. */
  readonly bases?: readonly string[] | undefined;
  readonly deltas?: DeltaPolicy | undefined;
  readonly trust?: TrustPolicy | undefined;
  readonly summary?: SuppliedSummary | undefined;
  /** Key of flatpak's summary index; the architecture of the host when undefined. */
  readonly subset?: string | undefined;
  /** Keep the detached metadata of the commit; the stream's id then differs from composefs-ostree's. */
  readonly keepDetached?: boolean | undefined;
  /**
   * Pull only what lies below these paths, together with what earlier pulls of the same commit brought. The commit is then stored as a
   * partial one, beside the complete ones, with an image of these paths.
   */
  readonly subpaths?: readonly string[] | undefined;
  readonly compatXattrNul?: boolean | undefined;
  /** Also compute what `cfsctl` prints as the verity of the stream. */
  readonly withUpstreamId?: boolean | undefined;
  /** Threads that verify and store files; 0 does it in this one. */
  readonly workers?: number | undefined;
}

/** What a pull did. */
export interface PulledCommit {
  readonly commit: OstreeChecksum;
  /** The ref that now names it. */
  readonly ref: string | undefined;
  readonly streamId: ObjectId;
  readonly imageId: ObjectId;
  readonly upstreamId: ObjectId | undefined;
  /** True when the commit was here already, complete. */
  readonly wasPresent: boolean;
  /** The paths that are here now; undefined for a complete commit. */
  readonly subpaths: readonly string[] | undefined;
  readonly counts: FetchCounts;
  readonly delta: UsedDelta | undefined;
  /** Undefined for a local pull. */
  readonly traffic: RemoteTraffic | undefined;
  /** Keys whose signatures were accepted. */
  readonly signedBy: readonly string[];
}

/** Progress component of everything that is transferred. */
const TRANSFER_ID = 'transfer';
/** Threads for files: beside the one that fetches, of which more than a few only wait for it; or, locally, all there is to do. */
const REMOTE_WORKERS = Math.max(1, Math.min(3, availableParallelism() - 1));
const LOCAL_WORKERS = Math.min(4, availableParallelism());

const NOTHING_FETCHED: FetchCounts = {
  metadataFetched: 0,
  filesFetched: 0,
  metadataKnown: 0,
  filesKnown: 0,
};

/**
 * Pulls one commit into a composefs repository: resolve, verify, fetch what is not here, store commit stream and EROFS image,
 * and only then the ref. A pull that was interrupted, even killed, goes on where it stopped.
 * @param target `REF`, 64 hex digits, or `REF@` and 64 hex digits
 * @throws NotFoundError OSTREE_REF_NOT_FOUND, OSTREE_OBJECT_MISSING, OSTREE_REPO_NOT_FOUND; IntegrityError OSTREE_…;
 * FormatError of all parsers; TransportError; HostError; the reason of `signal`
 */
export async function pullCommit(
  repository: Repository,
  source: PullSource,
  target: string,
  options: PullCommitOptions = {},
): Promise<PulledCommit> {
  const parsed = parseTarget(target);
  repository.ensureWritable();
  if (source.kind === 'remote') {
    const onBytes = listenToBytes(options.onProgress);
    await using remote = new OstreeRemote({ ...source, onBytes });
    return await new Pull(repository, parsed, options, { remote, url: source.url }).run();
  }
  using repo = openOstreeRepo(source.path);
  using _lock = await repo.lockForReading(options);
  return await new Pull(repository, parsed, options, { repo, path: source.path }).run();
}

/** Bytes of bodies as they come, of a component of its own: objects from a base or an earlier attempt do not count. */
function listenToBytes(
  onProgress: ProgressListener | undefined,
): ((bodyBytes: number) => void) | undefined {
  if (onProgress === undefined) return undefined;
  onProgress({ type: 'started', id: TRANSFER_ID, unit: 'bytes' });
  return (done) => onProgress({ type: 'advanced', id: TRANSFER_ID, done });
}

type Origin =
  | { readonly remote: OstreeRemote; readonly url: string }
  | { readonly repo: OstreeRepo; readonly path: string };

interface Resolved {
  readonly commit: OstreeChecksum;
  readonly commitMaxBytes: number | undefined;
  readonly summary: Summary | undefined;
}

class Pull {
  readonly #repository: Repository;
  readonly #target: PullTarget;
  readonly #options: PullCommitOptions;
  readonly #origin: Origin;
  readonly #current: OstreeChecksum | undefined;

  constructor(
    repository: Repository,
    target: PullTarget,
    options: PullCommitOptions,
    origin: Origin,
  ) {
    this.#repository = repository;
    this.#target = target;
    this.#options = options;
    this.#origin = origin;
    this.#current = target.ref === undefined ? undefined : readCommitRef(repository, target.ref);
  }

  async run(): Promise<PulledCommit> {
    const label = this.#target.ref ?? this.#target.commit ?? '';
    this.#options.onProgress?.({ type: 'note', text: `Fetching ${label}` });
    const resolved = await this.#resolve();
    const present = await this.#acceptPresent(resolved.commit);
    return present ?? (await this.#pull(resolved));
  }

  async #resolve(): Promise<Resolved> {
    const { ref, commit } = this.#target;
    if (commit !== undefined) return { commit, commitMaxBytes: undefined, summary: undefined };
    const name = ref ?? '';
    if ('remote' in this.#origin) {
      const { remote, url } = this.#origin;
      const { trust = {}, summary, subset, signal } = this.#options;
      const how = { trust, summary, subset, signal };
      return await resolveRemoteRef(this.#repository, remote, url, name, how);
    }
    const found = this.#origin.repo.refs.resolveForPull(name);
    if (found !== undefined) {
      return { commit: found, commitMaxBytes: undefined, summary: undefined };
    }
    throw new NotFoundError(
      'OSTREE_REF_NOT_FOUND',
      `Cannot find ref "${name}" in ${this.#origin.path}`,
      { ref: name },
    );
  }

  /** A commit that is here and complete needs a ref and perhaps an image, nothing else. */
  async #acceptPresent(commit: OstreeChecksum): Promise<PulledCommit | undefined> {
    const repository = this.#repository;
    const stored = openBase(repository, commit);
    if (stored === undefined) return undefined;
    const { objects: stream, imageId } = stored;
    if (!isComplete(repository, stream)) return undefined;
    // The image of another setting, or one that is gone, is made anew by the usual way.
    if (imageId === undefined || !repository.objects.has(imageId)) return undefined;
    if (this.#options.compatXattrNul !== undefined) {
      const compatXattrNul = this.#options.compatXattrNul;
      if (storeImage(repository, stream, { compatXattrNul }) !== imageId) return undefined;
    }
    const needsDetached =
      this.#options.keepDetached === true && !stored.namedRefs.has(COMMITMETA_REF);
    if (needsDetached) return undefined;
    const signedBy = await this.#verify(commit, stored.bytes);
    const { ref } = this.#target;
    if (ref !== undefined) {
      repository.refs.set('streams', streamRefName(ref), `ostree-commit-${commit}`);
      repository.sync();
    }
    return {
      commit,
      ref,
      streamId: stored.streamId,
      imageId,
      upstreamId: undefined,
      wasPresent: true,
      subpaths: undefined,
      counts: NOTHING_FETCHED,
      delta: undefined,
      traffic: this.#traffic(),
      signedBy,
    };
  }

  async #pull({ commit, commitMaxBytes, summary }: Resolved): Promise<PulledCommit> {
    const repository = this.#repository;
    const { signal, onProgress } = this.#options;
    const workers =
      this.#options.workers ?? ('remote' in this.#origin ? REMOTE_WORKERS : LOCAL_WORKERS);
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
    const commitBytes = await this.#commitObject(source, known, journal, commit, commitMaxBytes);
    const signedBy = await this.#verify(commit, commitBytes);
    addBases(repository, known, {
      named: this.#options.bases ?? [],
      parent: parseCommit(commitBytes).parent,
      current: this.#current,
      ref: this.#target.ref,
    });
    const partial = openPartial(repository, commit);
    if (partial !== undefined) known.addBase(partial.objects);
    const delta =
      'remote' in this.#origin && this.#options.subpaths === undefined
        ? await tryDelta(commit, {
            repository,
            remote: this.#origin.remote,
            known,
            tools: pool.tools,
            summary,
            current: this.#current,
            policy: this.#options.deltas ?? 'auto',
            signal,
            onProgress,
          })
        : undefined;
    const gathered = new GatheredCommit(commit, commitBytes);
    const subpaths = this.#subpaths(partial);
    const wanted = subpaths === undefined ? undefined : parseSubpaths(subpaths);
    const context = { source, known, gathered, journal, wanted, signal, onProgress };
    const counts = await gatherCommit(context);
    const { ref } = this.#target;
    const stored = await storeCommit(repository, commit, gathered.encode(), {
      objects: gathered,
      ref,
      namedRefs: await this.#namedRefs(commit),
      compatXattrNul: this.#options.compatXattrNul,
      withUpstreamId: this.#options.withUpstreamId,
      subpaths,
      signal,
    });
    journal?.remove();
    // The complete commit takes the place of the partial one.
    if (ref !== undefined && subpaths === undefined && partial !== undefined) {
      repository.refs.remove('streams', partialRefName(ref));
    }
    const traffic = this.#traffic();
    if (traffic !== undefined) {
      onProgress?.({ type: 'done', id: TRANSFER_ID, transferred: traffic.bodyBytes });
    }
    return { ...stored, ref, wasPresent: false, subpaths, counts, delta, traffic, signedBy };
  }

  /** The paths asked for and those that are here; undefined when the whole commit is wanted. */
  #subpaths(partial: PartialCommit | undefined): readonly string[] | undefined {
    const asked = this.#options.subpaths;
    if (asked === undefined) return undefined;
    const all = normaliseSubpaths([...asked, ...(partial?.subpaths ?? [])]);
    return all.includes('/') ? undefined : all;
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
    commit: OstreeChecksum,
    maxBytes: number | undefined,
  ): Promise<Uint8Array> {
    const found = known.metadata('commit', commit);
    if (found !== undefined) return found;
    const { signal } = this.#options;
    const limit = maxBytes === undefined ? {} : { maxBytes };
    const bytes = await source.metadata('commit', commit, { ...limit, signal });
    if (bytes === undefined) {
      throw new NotFoundError(
        'OSTREE_OBJECT_MISSING',
        `Cannot pull commit ${commit}: ${source.label} does not have it`,
        { checksum: commit, kind: 'commit' },
      );
    }
    journal?.append(encodeRecord({ kind: 'commit', checksum: commit, bytes }));
    return bytes;
  }

  /** Signatures, bindings and time, before any file is asked for. */
  async #verify(commit: OstreeChecksum, bytes: Uint8Array): Promise<string[]> {
    const { trust = {} } = this.#options;
    const isSigned = (trust.commitGates?.length ?? 0) > 0;
    const { ref } = this.#target;
    return await verifyCommit(
      {
        bytes,
        // A commit that is named by its checksum may be stored under any ref.
        ref:
          ref === undefined || this.#target.commit !== undefined
            ? undefined
            : publishedRefName(ref),
        detached: isSigned ? await this.#detached(commit) : undefined,
        current: this.#currentCommit(trust),
      },
      trust,
    );
  }

  #currentCommit(trust: TrustPolicy): Commit | undefined {
    const wanted = trust.notOlderThan === 'current' ? this.#current : trust.notOlderThan;
    if (wanted === undefined) return undefined;
    return openBase(this.#repository, wanted)?.commit;
  }

  async #detached(commit: OstreeChecksum): Promise<Uint8Array | undefined> {
    return 'remote' in this.#origin
      ? await this.#origin.remote.commitmeta(commit, { signal: this.#options.signal })
      : this.#origin.repo.state.readDetached(commit);
  }

  async #namedRefs(commit: OstreeChecksum): Promise<ReadonlyMap<string, ObjectId> | undefined> {
    if (this.#options.keepDetached !== true) return undefined;
    const bytes = await this.#detached(commit);
    if (bytes === undefined) return undefined;
    return new Map([[COMMITMETA_REF, this.#repository.objects.ensureBytes(bytes).id]]);
  }

  #traffic(): RemoteTraffic | undefined {
    return 'remote' in this.#origin ? this.#origin.remote.traffic : undefined;
  }
}
