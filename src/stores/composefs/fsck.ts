import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { listObjectRefs } from '#formats/erofs';
import { openSplitstream, type Splitstream } from '#formats/splitstream';
import { type Dir, type HostFile, readAll, readAt, startWorker, statFd } from '#host';
import type { Finding, FindingKind } from './findings.ts';
import {
  attempt,
  type ObjectCheck,
  ObjectChecker,
  type ObjectCheckResult,
} from './fsck-objects.ts';
import { FAN_OUT, IMAGE_BYTES_MAX, META_NAME, OBJECTS, REFS } from './layout.ts';
import { type RefCategory, readObjectLink, readSorted, readUnsorted, walkRefs } from './links.ts';
import { checkCompatibility } from './meta.ts';
import { readMetaFile } from './meta-file.ts';
import type { Repository } from './repository.ts';

/** What a check of a repository found. */
export interface FsckReport {
  /** True when nothing was found. */
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

/** How to check a repository. */
export interface FsckOptions extends OperationOptions {
  /** Leave out what reads whole objects: their digests, and the bodies of streams. */
  readonly metadataOnly?: boolean | undefined;
  /** Threads that check objects; 1 (the default) checks them in this one. */
  readonly workers?: number | undefined;
}

/** Repositories with fewer objects are checked in one thread: starting another costs more. */
const WORKER_OBJECTS_MIN = 1000;

/**
 * Checks a whole repository: metadata, the digest of every object, every stream, image and reference. Findings are values in a stated
 * order (metadata, objects, streams, images; each by path); it throws only when it cannot go on.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function checkRepository(
  repository: Repository,
  options: FsckOptions = {},
): Promise<FsckReport> {
  const checker = new Checker(repository, options);
  checker.checkMetadata();
  if (options.metadataOnly === true) checker.checkNames();
  else await checker.checkContent();
  return checker.report();
}

class Checker {
  readonly #repository: Repository;
  readonly #options: FsckOptions;
  readonly #metadata: Finding[] = [];
  /** About streams, images and references. */
  readonly #findings: Finding[] = [];
  readonly #sizes = new Map<ObjectId, number | undefined>();
  #hasMetadata = false;
  #objects: ObjectCheckResult = { checked: 0, corrupted: 0, findings: [] };
  readonly #checked = { streams: 0, images: 0 };
  readonly #corrupted = { streams: 0, images: 0 };
  #brokenLinks = 0;
  #missingObjects = 0;

  constructor(repository: Repository, options: FsckOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  report(): FsckReport {
    const findings = [...this.#metadata, ...this.#objects.findings, ...this.#findings];
    return {
      ok: findings.length === 0,
      hasMetadata: this.#hasMetadata,
      objectsChecked: this.#objects.checked,
      objectsCorrupted: this.#objects.corrupted,
      streamsChecked: this.#checked.streams,
      streamsCorrupted: this.#corrupted.streams,
      imagesChecked: this.#checked.images,
      imagesCorrupted: this.#corrupted.images,
      brokenLinks: this.#brokenLinks,
      missingObjects: this.#missingObjects,
      findings,
    };
  }

  checkMetadata(): void {
    const find = (kind: FindingKind, path: string, detail: string) => {
      this.#metadata.push({ kind, path, detail });
    };
    const stored = attempt(() => readMetaFile(this.#repository.root));
    if (stored.value === undefined) {
      find('metadata-parse-failed', META_NAME, stored.error?.message ?? 'it is missing');
      return;
    }
    this.#hasMetadata = true;
    const { meta } = stored.value;
    const compatible = attempt(() => checkCompatibility(meta));
    if (compatible.error !== undefined) {
      find('metadata-algorithm-mismatch', META_NAME, compatible.error.message);
    } else if (meta.algorithm !== this.#repository.algorithm) {
      const reason = `expected ${this.#repository.algorithm}, found ${meta.algorithm}`;
      find('metadata-algorithm-mismatch', META_NAME, reason);
    }
  }

  checkNames(): void {
    this.checkCategory('streams');
    this.checkCategory('images');
  }

  /** Checks names in this thread while others check objects, and then helps them. */
  async checkContent(): Promise<void> {
    using dir = this.#repository.root.tryOpenDir(OBJECTS);
    if (dir === undefined) {
      this.checkNames();
      return;
    }
    const { algorithm, insecure } = this.#repository;
    const { signal, onProgress } = this.#options;
    const reports = onProgress !== undefined;
    const next = new SharedArrayBuffer(4);
    const check = { objectsFd: dir.fd, algorithm, insecure, reports, next };
    const id = 'fsck:objects';
    const isLarge = countObjects(dir, WORKER_OBJECTS_MIN) === WORKER_OBJECTS_MIN;
    const total = reports ? countObjects(dir, Number.POSITIVE_INFINITY) : 0;
    onProgress?.({ type: 'started', id, unit: 'items', total });
    let done = 0;
    const onAdvance = (objects: number) => {
      done += objects;
      onProgress?.({ type: 'advanced', id, done, total });
    };
    const threads = isLarge ? (this.#options.workers ?? 1) : 1;
    const results = await this.#withWorkers(check, threads - 1, onAdvance, async () => {
      this.checkNames();
      const checker = new ObjectChecker(check);
      for (let objects = checker.step(); objects !== undefined; objects = checker.step()) {
        onAdvance(objects);
        await yieldToEvents();
        signal?.throwIfAborted();
      }
      return checker.result;
    });
    onProgress?.({ type: 'done', id, transferred: done });
    this.#takeObjects(results);
  }

  /** Runs `work` in this thread, with `workers` more beside it that check objects. */
  async #withWorkers(
    check: ObjectCheck,
    workers: number,
    onMessage: (objects: number) => void,
    work: () => Promise<ObjectCheckResult>,
  ): Promise<readonly ObjectCheckResult[]> {
    const module = new URL('./fsck-worker.ts', import.meta.url);
    const { signal } = this.#options;
    const running = Array.from({ length: workers }, () =>
      startWorker<ObjectCheck, never, number, ObjectCheckResult>(module, check, {
        onMessage,
        signal,
      }),
    );
    try {
      const own = await work();
      return [own, ...(await Promise.all(running.map((worker) => worker.done)))];
    } finally {
      // Every thread must be gone before the directory they share is closed.
      for (const worker of running) worker.cancel();
      await Promise.allSettled(running.map((worker) => worker.done));
      await Promise.all(running.map((worker) => worker[Symbol.asyncDispose]()));
    }
  }

  #takeObjects(results: readonly ObjectCheckResult[]): void {
    const findings = results.flatMap((result) => result.findings);
    findings.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    this.#objects = {
      checked: results.reduce((sum, result) => sum + result.checked, 0),
      corrupted: results.reduce((sum, result) => sum + result.corrupted, 0),
      findings,
    };
  }

  checkCategory(category: RefCategory): void {
    const { root } = this.#repository;
    const { signal, onProgress } = this.#options;
    const id = `fsck:${category}`;
    const entries = readSorted(root, category).filter(({ name }) => name !== REFS);
    onProgress?.({ type: 'started', id, unit: 'items', total: entries.length });
    for (const { name, type } of entries) {
      signal?.throwIfAborted();
      this.#checked[category] += 1;
      this.#checkEntry(category, name, type);
      onProgress?.({ type: 'advanced', id, done: this.#checked[category], total: entries.length });
    }
    for (const { name, target, type } of walkRefs(root, category)) {
      const path = `${category}/${REFS}/${name}`;
      if (target === undefined) this.#find('unexpected-file-type', path, fileTypeName(type));
      else if (this.#checkTarget(path) === 'broken') this.#brokenLinks += 1;
    }
    onProgress?.({ type: 'done', id, transferred: entries.length });
  }

  #checkEntry(category: RefCategory, name: ByteString, type: string): void {
    const path = `${category}/${name}`;
    const before = this.#findings.length;
    if (type !== 'symlink') {
      this.#find('entry-not-symlink', path, '');
      this.#corrupted[category] += 1;
      return;
    }
    const target = this.#checkTarget(path);
    if (target !== 'there') {
      if (target === 'failed') return;
      this.#brokenLinks += 1;
      this.#corrupted[category] += 1;
      return;
    }
    if (category === 'streams') this.#checkStream(path);
    else this.#checkImage(path);
    if (this.#findings.length === before) this.#checkObjectLink(category, name);
  }

  /** Where a first-level link leads, once all else about it is well. */
  #checkObjectLink(category: RefCategory, name: ByteString): void {
    const { root, algorithm } = this.#repository;
    const path = `${category}/${name}`;
    const link = readObjectLink(root, path, algorithm);
    const isWrongImage = category === 'images' && link.kind === 'object' && link.id !== `${name}`;
    if (link.kind === 'object' && !isWrongImage) return;
    // Where meta.json names the wrong algorithm, every link is odd; the objects and streams say so already.
    const other = algorithm === 'sha256' ? 'sha512' : 'sha256';
    if (link.kind === 'invalid' && readObjectLink(root, path, other).kind === 'object') return;
    const detail = link.kind === 'object' ? `leads to object ${link.id}` : 'leads to no object';
    this.#find('entry-wrong-target', path, detail);
    this.#corrupted[category] += 1;
  }

  #checkTarget(path: string): 'there' | 'broken' | 'failed' {
    const stat = attempt(() => this.#repository.root.stat(path));
    if (stat.error !== undefined) {
      this.#find('stat-failed', path, stat.error.message);
      return 'failed';
    }
    if (stat.value !== undefined) return 'there';
    this.#find('broken-symlink', path, '');
    return 'broken';
  }

  #checkStream(path: string): void {
    const opened = attempt(() => this.#openTarget(path));
    using file = opened.value;
    const reader = file === undefined ? undefined : readerOf(file);
    const { algorithm } = this.#repository;
    const stream = attempt(() =>
      reader === undefined ? undefined : openSplitstream(reader, { algorithm }),
    );
    if (stream.value === undefined) {
      const reason = opened.error ?? stream.error;
      this.#find('stream-open-failed', path, reason?.message ?? 'it is no regular file');
      this.#corrupted.streams += 1;
      return;
    }
    for (const id of stream.value.objectRefs) this.#requireObject(id, 'missing-object-ref', path);
    for (const [label, id] of stream.value.namedRefs) {
      this.#requireObject(id, 'missing-named-ref', path, `${label} -> ${id}`);
    }
    if (this.#options.metadataOnly !== true) this.#checkBody(path, stream.value);
  }

  /** Decodes the body and adds up its size, unless something it needs is missing; what is said of a damaged object is not said again. */
  #checkBody(path: string, stream: Splitstream): void {
    const { root, algorithm } = this.#repository;
    if (stream.objectRefs.some((id) => this.#sizeOf(id) === undefined)) return;
    const sizeBytes = attempt(() => {
      let sum = 0;
      for (const part of stream.parts()) {
        sum += part.kind === 'inline' ? part.bytes.length : (this.#sizeOf(part.id) ?? 0);
      }
      return sum;
    });
    if (sizeBytes.value === stream.sizeBytes) return;
    const link = readObjectLink(root, path, algorithm);
    if (link.kind === 'object' && this.#isDamaged(link.id)) return;
    const detail =
      sizeBytes.error?.message ?? `expected ${stream.sizeBytes} bytes, found ${sizeBytes.value}`;
    this.#find('stream-read-failed', path, detail);
    this.#corrupted.streams += 1;
  }

  /** True when the check of objects finds something about this one too. */
  #isDamaged(id: ObjectId): boolean {
    const { objects } = this.#repository;
    return (
      attempt(() => objects.open(id, { verify: 'content' })[Symbol.dispose]()).error !== undefined
    );
  }

  #checkImage(path: string): void {
    const opened = attempt(() => this.#openTarget(path));
    using file = opened.value;
    if (file === undefined) {
      this.#find('image-open-failed', path, opened.error?.message ?? 'it is no regular file');
      this.#corrupted.images += 1;
      return;
    }
    const bytes = attempt(() => readAll(file, IMAGE_BYTES_MAX));
    if (bytes.value === undefined) {
      this.#find('image-read-failed', path, bytes.error?.message ?? '');
      this.#corrupted.images += 1;
      return;
    }
    const image = bytes.value;
    const refs = attempt(() => listObjectRefs(image));
    if (refs.value === undefined) {
      this.#find('image-invalid', path, refs.error.message);
      this.#corrupted.images += 1;
      return;
    }
    for (const id of refs.value) this.#requireObject(id, 'image-missing-object', path);
  }

  /** Opens what a link leads to, if that is a regular file: a pipe would block for ever. */
  #openTarget(path: string): HostFile | undefined {
    const { root } = this.#repository;
    return root.stat(path)?.type === 'file' ? root.openFile(path) : undefined;
  }

  #requireObject(id: ObjectId, kind: FindingKind, path: string, detail: string = id): void {
    const size = attempt(() => this.#sizeOf(id));
    if (size.error !== undefined) this.#find('object-check-failed', path, size.error.message);
    else if (size.value === undefined) {
      this.#missingObjects += 1;
      this.#find(kind, path, detail);
    }
  }

  #sizeOf(id: ObjectId): number | undefined {
    if (this.#sizes.has(id)) return this.#sizes.get(id);
    const size = this.#repository.objects.sizeOf(id);
    this.#sizes.set(id, size);
    return size;
  }

  #find(kind: FindingKind, path: string, detail: string): void {
    this.#findings.push({ kind, path: displayText(path as ByteString), detail });
  }
}

/** Counts objects up to a limit, which is returned when there are as many or more. */
function countObjects(dir: Dir, limit: number): number {
  let count = 0;
  for (const name of FAN_OUT) {
    if (count >= limit) return limit;
    count += readUnsorted(dir, name).length;
  }
  return Math.min(count, limit);
}

function readerOf(file: HostFile) {
  return {
    sizeBytes: statFd(file).sizeBytes,
    read: (offset: number, into: Uint8Array) => readAt(file, into, offset),
  };
}

/** Names of file types as `cfsctl fsck` prints them. */
const FILE_TYPE_NAMES: { readonly [type: string]: string } = {
  file: 'RegularFile',
  directory: 'Directory',
  fifo: 'Fifo',
  socket: 'Socket',
  character: 'CharacterDevice',
  block: 'BlockDevice',
};

function fileTypeName(type: string): string {
  return FILE_TYPE_NAMES[type] ?? 'Unknown';
}
