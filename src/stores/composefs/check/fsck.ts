import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { OperationOptions } from '#base/flow';
import { type Dir, startWorker, type WorkerHandle } from '#host';
import { META_NAME, OBJECTS } from '../layout.ts';
import { hasObjects, listObjects, type ObjectList } from '../objects/object-list.ts';
import { checkCompatibility } from '../repository/meta.ts';
import { readMetaFile } from '../repository/meta-file.ts';
import type { Repository } from '../repository/repository.ts';
import type { Finding, FindingKind } from './findings.ts';
import { NameChecker } from './fsck-names.ts';
import { attempt, type ObjectCheck, ObjectChecker } from './fsck-objects.ts';
import { suspectsOf } from './suspects-of.ts';

/** The result of a check of a repository. */
export interface FsckReport {
  /** True if there are no findings. */
  readonly ok: boolean;
  readonly hasMetadata: boolean;
  readonly objectsChecked: number;
  readonly objectsCorrupted: number;
  readonly streamsChecked: number;
  readonly streamsCorrupted: number;
  readonly imagesChecked: number;
  readonly imagesCorrupted: number;
  readonly brokenLinks: number;
  readonly missingObjects: number;
  readonly findings: readonly Finding[];
}

/** Options of a check. */
export interface FsckOptions extends OperationOptions {
  /** Skip the checks that read complete objects: their digests, and the bodies of streams. */
  readonly metadataOnly?: boolean | undefined;
  /** Number of threads that check objects (default 1: this thread). */
  readonly workers?: number | undefined;
}

/** Repositories with fewer objects are checked in one thread, because starting another one takes longer. */
const WORKER_OBJECTS_MIN = 1000;

/**
 * Checks a whole repository: metadata, the digest of every object, every stream, image and reference. Findings are values in a stated order
 * (metadata, objects, streams, images; each by path); it throws only if it cannot continue. Unless contents were skipped, damaged objects
 * and streams are marked as suspect afterwards, and the marks of intact objects are removed.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function checkRepository(
  repository: Repository,
  options: FsckOptions = {},
): Promise<FsckReport> {
  const metadata = checkMetadata(repository);
  using dir = repository.root.tryOpenDir(OBJECTS);
  const content = options.metadataOnly === true ? undefined : dir;
  const progress = new ObjectProgress(options);
  await using team = new ObjectTeam(content, progress, options);
  const list = listObjects(dir, repository.algorithm);
  const names = new NameChecker(repository, list, options);
  if (content === undefined) await names.check();
  const objects =
    content === undefined ? [] : await team.check(checkOf(repository, content, list), names, list);
  const named = await names.finish();
  const findings = [...metadata.findings, ...objects, ...named];
  if (content !== undefined) repository.suspects.replaceObjects(suspectsOf(repository, findings));
  return {
    ok: findings.length === 0,
    hasMetadata: metadata.hasMetadata,
    objectsChecked: content === undefined ? 0 : list.size,
    objectsCorrupted: objects.length,
    streamsChecked: names.checked.streams,
    streamsCorrupted: names.corrupted.streams,
    imagesChecked: names.checked.images,
    imagesCorrupted: names.corrupted.images,
    brokenLinks: names.brokenLinks,
    missingObjects: names.missingObjects,
    findings,
  };
}

function checkMetadata(repository: Repository): {
  readonly findings: readonly Finding[];
  readonly hasMetadata: boolean;
} {
  const finding = (kind: FindingKind, detail: string) => ({ kind, path: META_NAME, detail });
  const stored = attempt(() => readMetaFile(repository.root));
  if (stored.value === undefined) {
    const detail = stored.error?.message ?? 'it is missing';
    return { findings: [finding('metadata-parse-failed', detail)], hasMetadata: false };
  }
  const { meta } = stored.value;
  const compatible = attempt(() => checkCompatibility(meta));
  const reason =
    compatible.error?.message ??
    (meta.algorithm === repository.algorithm
      ? undefined
      : `expected ${repository.algorithm}, found ${meta.algorithm}`);
  const findings = reason === undefined ? [] : [finding('metadata-algorithm-mismatch', reason)];
  return { findings, hasMetadata: true };
}

/** Progress of the check of objects, in all threads together. */
class ObjectProgress {
  readonly #options: FsckOptions;
  #done = 0;
  #total = 0;

  constructor(options: FsckOptions) {
    this.#options = options;
  }

  get isWanted(): boolean {
    return this.#options.onProgress !== undefined;
  }

  start(total: number): void {
    this.#total = total;
    this.#options.onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items', total });
  }

  advance(objects: number): void {
    this.#done += objects;
    const [done, total] = [this.#done, this.#total];
    this.#options.onProgress?.({ type: 'advanced', id: PROGRESS_ID, done, total });
  }

  end(): void {
    this.#options.onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: this.#done });
  }
}

const PROGRESS_ID = 'fsck:objects';

/**
 * The threads that check objects. The other threads start immediately and receive their work later, so that their start costs no time.
 * Disposing waits for their exit, because they share a descriptor.
 */
class ObjectTeam implements AsyncDisposable {
  readonly #others: readonly WorkerHandle<ObjectCheck, readonly Finding[]>[];
  readonly #progress: ObjectProgress;
  readonly #signal: AbortSignal | undefined;
  #hasWork = false;

  constructor(
    objects: Dir | undefined,
    progress: ObjectProgress,
    { workers = 1, signal }: FsckOptions,
  ) {
    this.#progress = progress;
    this.#signal = signal;
    const isAlone =
      objects === undefined || workers < 2 || !hasObjects(objects, WORKER_OBJECTS_MIN);
    const module = new URL('./fsck-worker.ts', import.meta.url);
    const onMessage = (count: number) => progress.advance(count);
    this.#others = Array.from({ length: isAlone ? 0 : workers - 1 }, () =>
      startWorker<undefined, ObjectCheck, number, readonly Finding[]>(module, undefined, {
        onMessage,
        signal,
      }),
    );
  }

  /** Checks names in this thread while the others check objects, and then helps them. Returns the findings about objects. */
  async check(
    check: Omit<ObjectCheck, 'reports'>,
    names: NameChecker,
    { odd, size }: ObjectList,
  ): Promise<readonly Finding[]> {
    const work = { ...check, reports: this.#progress.isWanted };
    this.#progress.start(size);
    for (const other of this.#others) other.post(work);
    this.#hasWork = true;
    await names.check();
    using checker = new ObjectChecker(work);
    const findings = odd.flatMap((entry) => checker.checkOdd(entry) ?? []);
    if (odd.length > 0) this.#progress.advance(odd.length);
    for (let count = checker.step(); count !== undefined; count = checker.step()) {
      this.#progress.advance(count);
      await yieldToEvents();
      this.#signal?.throwIfAborted();
    }
    findings.push(...checker.findings);
    for (const found of await Promise.all(this.#others.map(({ done }) => done))) {
      findings.push(...found);
    }
    this.#progress.end();
    return findings.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const other of this.#others) other.cancel();
    // A thread that waits for work would wait forever; a working thread closes its descriptors first.
    if (this.#hasWork) await Promise.allSettled(this.#others.map(({ done }) => done));
    await Promise.all(this.#others.map((other) => other[Symbol.asyncDispose]()));
  }
}

function checkOf(
  { algorithm, insecure }: Repository,
  { fd }: Dir,
  { shared }: ObjectList,
): Omit<ObjectCheck, 'reports'> {
  return { ...shared, objectsFd: fd, algorithm, insecure, next: new SharedArrayBuffer(4) };
}
