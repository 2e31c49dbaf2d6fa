import type { OstreeChecksum } from '#base/digest';
import { FormatError, NotFoundError } from '#base/errors';
import { type OperationOptions, type ProgressListener, STEP_ITEMS, turnTaker } from '#base/flow';
import {
  type Dirtree,
  FILEZ_WARNINGS,
  type FilezWarning,
  type MetadataKind,
  parseCommit,
  parseDirmeta,
  parseDirtree,
  TREE_DEPTH_MAX,
} from '#formats/ostree';
import { type Wanted, wantedOf } from '#work/commits';
import type { FileQueue, FileSink } from '../files/file-pool.ts';
import type { GatheredCommit } from './gathered.ts';
import type { PullJournal } from './journal.ts';
import type { KnownObjects } from './known.ts';
import { encodeRecord, type ObjectRecord } from './records.ts';
import type { CommitSource } from './source.ts';

/** What a fetch works with. */
export interface GatherContext extends OperationOptions {
  readonly source: CommitSource;
  readonly known: KnownObjects;
  readonly gathered: GatheredCommit;
  readonly journal: PullJournal | undefined;
  /** The part of the tree to gather; all of it when undefined. */
  readonly wanted?: Wanted | undefined;
}

/** What a fetch did. */
export interface GatherCounts {
  metadataFetched: number;
  filesFetched: number;
  /** Objects that were at hand: in a base, or from an earlier attempt. */
  metadataKnown: number;
  filesKnown: number;
}

/** One thing to do. */
type Task =
  | {
      readonly kind: 'dirtree';
      readonly checksum: OstreeChecksum;
      readonly depth: number;
      readonly wanted: Wanted;
    }
  | { readonly kind: 'dirmeta'; readonly checksum: OstreeChecksum };

/** Most missing objects that an error lists. */
const MISSING_MAX = 1000;

/**
 * Gathers everything a commit reaches, metadata and files at the same time: directories breadth first, because each level costs
 * a round trip, files as soon as a directory names them.
 * @throws NotFoundError OSTREE_OBJECT_MISSING with all objects that the source lacks; FormatError of the parsers;
 * IntegrityError OSTREE_CHECKSUM_MISMATCH; errors of the source
 */
export async function gatherCommit(context: GatherContext): Promise<GatherCounts> {
  const { commit } = context.gathered;
  const gatherer = new Gatherer(context);
  const { rootTree, rootMeta } = parseCommit(context.gathered.metadata(commit, 'commit'));
  const wanted = context.wanted ?? 'all';
  gatherer.addDirectory(rootTree, rootMeta, 0, wanted);
  try {
    await gatherer.run();
  } finally {
    gatherer.progress.done();
  }
  gatherer.requireNothingMissing(commit);
  gatherer.tellWarnings();
  return gatherer.counts;
}

class Gatherer implements FileSink {
  readonly counts: GatherCounts = {
    metadataFetched: 0,
    filesFetched: 0,
    metadataKnown: 0,
    filesKnown: 0,
  };
  readonly progress: GatherProgress;
  readonly #context: GatherContext;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seen = {
    commit: new Set<OstreeChecksum>(),
    dirtree: new Set<OstreeChecksum>(),
    dirmeta: new Set<OstreeChecksum>(),
    file: new Set<OstreeChecksum>(),
  };
  readonly #metadata: Task[] = [];
  readonly #files: OstreeChecksum[] = [];
  readonly #missing: { kind: string; checksum: OstreeChecksum }[] = [];
  readonly #warnings = new Map<string, number>();
  readonly #queue: FileQueue;
  #metadataAt = 0;
  #filesAt = 0;
  #filesTaken = 0;
  #outstanding = 0;
  #filesOutstanding = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(context: GatherContext) {
    this.#context = context;
    const { signal } = context;
    this.#signal =
      signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal]);
    this.#signal.addEventListener('abort', () => this.#wakeUp(), { once: true });
    this.#queue = context.source.files(this, this.#signal);
    this.progress = new GatherProgress(context.onProgress);
  }

  addDirectory(tree: OstreeChecksum, meta: OstreeChecksum, depth: number, wanted: Wanted): void {
    // What is wanted in part is entered each time: another part of the same directory may be wanted elsewhere.
    const isNew = wanted === 'all' ? this.#isNew('dirtree', tree) : !this.#seen.dirtree.has(tree);
    if (isNew) this.#metadata.push({ kind: 'dirtree', checksum: tree, depth, wanted });
    if (this.#isNew('dirmeta', meta)) this.#metadata.push({ kind: 'dirmeta', checksum: meta });
  }

  async run(): Promise<void> {
    const turn = turnTaker({});
    for (;;) {
      await turn();
      if (this.#startMore()) continue;
      const isStopped = this.#failure !== undefined || this.#signal.aborted;
      if (this.#outstanding === 0 && (isStopped || this.#filesOutstanding === 0)) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#context.signal?.throwIfAborted();
  }

  requireNothingMissing(commit: OstreeChecksum): void {
    const first = this.#missing[0];
    if (first === undefined) return;
    const { label, missingHint: hint } = this.#context.source;
    throw new NotFoundError(
      'OSTREE_OBJECT_MISSING',
      `Cannot complete commit ${commit}: ${label} lacks ${this.#missing.length} of its objects, the first is ${first.kind} ${first.checksum}`,
      {
        checksum: first.checksum,
        kind: first.kind,
        commit,
        count: this.#missing.length,
        missing: this.#missing.slice(0, MISSING_MAX).map((one) => `${one.checksum}.${one.kind}`),
      },
      hint === undefined ? {} : { hint },
    );
  }

  /** Says what is odd about objects whose checksums are right. */
  tellWarnings(): void {
    for (const [what, count] of this.#warnings) {
      const objects = count === 1 ? '1 object is' : `${count} objects are`;
      this.#context.onProgress?.({ type: 'note', text: `${objects} odd: ${what}` });
    }
  }

  warned(warning: FilezWarning): void {
    this.#warn(FILEZ_WARNINGS[warning]);
  }

  #warn(what: string): void {
    this.#warnings.set(what, (this.#warnings.get(what) ?? 0) + 1);
  }

  stored(record: ObjectRecord): void {
    this.counts.filesFetched++;
    this.#acceptFile(record);
    this.#settleFile();
  }

  missing(checksum: OstreeChecksum): void {
    this.#missing.push({ kind: 'file', checksum });
    this.#settleFile();
  }

  failed(error: unknown): void {
    this.#fail(error);
    this.#settleFile();
  }

  #settleFile(): void {
    if (--this.#filesOutstanding <= 0 || this.#failure !== undefined) this.#wakeUp();
  }

  /** Starts what may be started; true when it stopped although there is more, so that events have their turn. */
  #startMore(): boolean {
    const { concurrency } = this.#context.source;
    for (let left = STEP_ITEMS; left > 0; left -= 1) {
      if (this.#failure !== undefined || this.#signal.aborted) return false;
      const metadata = this.#metadata[this.#metadataAt];
      const file = this.#files[this.#filesAt];
      // Metadata first: it opens further work.
      if (metadata !== undefined && this.#outstanding < concurrency) {
        this.#metadataAt++;
        this.#start(this.#fetchMetadata(metadata));
      } else if (file !== undefined) {
        this.#filesAt++;
        this.#startFile(file);
      } else {
        return false;
      }
    }
    return true;
  }

  #startFile(checksum: OstreeChecksum): void {
    const known = this.#context.known.file(checksum);
    if (known !== undefined) {
      this.counts.filesKnown++;
      this.#acceptFile(known);
      return;
    }
    this.#filesOutstanding++;
    this.#queue.add(checksum);
  }

  #start(work: Promise<void>): void {
    this.#outstanding++;
    work
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#outstanding--;
        this.#wakeUp();
      });
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#abort.abort(error);
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async #fetchMetadata(task: Task): Promise<void> {
    const { known, source, gathered, journal } = this.#context;
    const { kind, checksum } = task;
    let bytes = known.metadata(kind, checksum);
    if (bytes !== undefined) this.counts.metadataKnown++;
    else {
      bytes = await source.metadata(kind, checksum, { signal: this.#signal });
      if (bytes === undefined) {
        this.#missing.push({ kind, checksum });
        return;
      }
      this.counts.metadataFetched++;
      journal?.append(encodeRecord({ kind, checksum, bytes }));
    }
    if (task.kind === 'dirtree') {
      const dirtree = parseDirtree(bytes);
      if (!dirtree.isSorted) this.#warn('names of a directory do not ascend');
      this.#enter(dirtree, task);
      gathered.addDirtree(checksum, bytes, dirtree);
    } else {
      parseDirmeta(bytes);
      gathered.addMetadata(checksum, bytes);
    }
    this.progress.metadata(this.counts);
  }

  #enter({ files, directories }: Dirtree, task: Extract<Task, { kind: 'dirtree' }>): void {
    const { depth, wanted } = task;
    if (depth >= TREE_DEPTH_MAX && directories.length > 0) failDepth();
    for (const { name, checksum } of files) {
      if (wantedOf(wanted, name) === undefined || this.#takeFile(checksum)) continue;
      if (this.#isNew('file', checksum)) this.#files.push(checksum);
    }
    for (const { name, tree, meta } of directories) {
      const inner = wantedOf(wanted, name);
      if (inner !== undefined) this.addDirectory(tree, meta, depth + 1, inner);
    }
    this.progress.files(this.counts, this.#files.length + this.#filesTaken);
  }

  /** True when a file comes from the base as it is, or has come already. */
  #takeFile(checksum: OstreeChecksum): boolean {
    const { known, gathered } = this.#context;
    const { base } = gathered;
    const index = base === undefined ? undefined : known.indexOfFile(base, checksum);
    if (index === undefined) return false;
    if (gathered.takeFile(checksum, index)) {
      this.counts.filesKnown++;
      this.#filesTaken++;
    }
    return true;
  }

  #acceptFile(record: ObjectRecord): void {
    this.#context.gathered.add(record);
    this.progress.files(this.counts, this.#files.length + this.#filesTaken);
  }

  #isNew(kind: MetadataKind | 'file', checksum: OstreeChecksum): boolean {
    const seen = this.#seen[kind];
    const before = seen.size;
    return seen.add(checksum).size > before;
  }
}

/** Progress of both kinds of objects; metadata has no total, files have the number seen so far. */
class GatherProgress {
  readonly #listener: ProgressListener | undefined;
  #metadataDone = 0;
  #filesDone = 0;

  constructor(listener: ProgressListener | undefined) {
    this.#listener = listener;
    listener?.({ type: 'started', id: 'metadata', unit: 'items' });
    listener?.({ type: 'started', id: 'files', unit: 'items' });
  }

  metadata({ metadataFetched, metadataKnown }: GatherCounts): void {
    this.#metadataDone = metadataFetched + metadataKnown;
    this.#listener?.({ type: 'advanced', id: 'metadata', done: this.#metadataDone });
  }

  files({ filesFetched, filesKnown }: GatherCounts, total: number): void {
    this.#filesDone = filesFetched + filesKnown;
    this.#listener?.({ type: 'advanced', id: 'files', done: this.#filesDone, total });
  }

  done(): void {
    this.#listener?.({ type: 'done', id: 'metadata', transferred: this.#metadataDone });
    this.#listener?.({ type: 'done', id: 'files', transferred: this.#filesDone });
  }
}

function failDepth(): never {
  throw new FormatError(
    'OSTREE_TREE_TOO_LARGE',
    `Cannot read commit: expected directories at most ${TREE_DEPTH_MAX} deep, found ${TREE_DEPTH_MAX + 1}`,
    { offset: 0, what: 'commit', expected: TREE_DEPTH_MAX, found: TREE_DEPTH_MAX + 1 },
  );
}
