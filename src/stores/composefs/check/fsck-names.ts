import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { inTurns, type OperationOptions, STEP_ITEMS, type Steps } from '#base/flow';
import { visitObjectRefsInSteps } from '#formats/erofs';
import { ALGORITHMS } from '#formats/fsverity';
import { openSplitstream, type Splitstream } from '#formats/splitstream';
import { type HostFile, readAt, statFd } from '#host';
import { REFS } from '../layout.ts';
import { type RefCategory, readObjectLink, readSorted, walkRefs } from '../names/links.ts';
import type { ObjectList } from '../objects/object-list.ts';
import { ObjectSet } from '../objects/object-set.ts';
import type { Repository } from '../repository/repository.ts';
import type { Finding, FindingKind } from './findings.ts';
import { attempt, attemptSteps } from './fsck-objects.ts';

/** How to check names. */
export interface NameCheckOptions extends OperationOptions {
  /** Skip the bodies of streams. */
  readonly metadataOnly?: boolean | undefined;
}

/** The checks of an entry that need the sizes of objects. */
type Rest = () => Steps<void>;

/**
 * Checks streams, images and references. The checks that need no sizes of objects run first, while other threads read the sizes. Findings
 * are in the order of the entries.
 */
export class NameChecker {
  readonly checked = { streams: 0, images: 0 };
  readonly corrupted = { streams: 0, images: 0 };
  brokenLinks = 0;
  missingObjects = 0;
  readonly #repository: Repository;
  readonly #objects: ObjectList;
  readonly #options: NameCheckOptions;
  readonly #parts: { readonly findings: Finding[]; readonly rest: Rest | undefined }[] = [];
  /** Where findings go. */
  #findings: Finding[] = [];

  constructor(repository: Repository, objects: ObjectList, options: NameCheckOptions) {
    this.#repository = repository;
    this.#objects = objects;
    this.#options = options;
  }

  /** Runs the checks that need no sizes. @throws HostError SYSCALL_FAILED; the signal's reason */
  async check(): Promise<void> {
    for (const category of ['streams', 'images'] as const) {
      await inTurns(this.#checkCategory(category), this.#options);
    }
  }

  /** Runs the other checks and returns all findings. @throws the signal's reason */
  async finish(): Promise<readonly Finding[]> {
    for (const { findings, rest } of this.#parts) {
      this.#findings = findings;
      if (rest !== undefined) await inTurns(rest(), this.#options);
    }
    return this.#parts.flatMap(({ findings }) => findings);
  }

  *#checkCategory(category: RefCategory): Steps<void> {
    const { root } = this.#repository;
    const { onProgress } = this.#options;
    const id = `fsck:${category}`;
    const entries = readSorted(root, category).filter(({ name }) => name !== REFS);
    onProgress?.({ type: 'started', id, unit: 'items', total: entries.length });
    for (const { name, type } of entries) {
      yield;
      this.checked[category] += 1;
      this.#findings = [];
      const rest = yield* this.#checkEntry(category, name, type);
      this.#parts.push({ findings: this.#findings, rest });
      onProgress?.({ type: 'advanced', id, done: this.checked[category], total: entries.length });
    }
    this.#findings = [];
    this.#parts.push({ findings: this.#findings, rest: undefined });
    for (const { name, target, type } of walkRefs(root, category)) {
      yield;
      const path = `${category}/${REFS}/${name}`;
      if (target === undefined) this.#find('unexpected-file-type', path, fileTypeName(type));
      else if (this.#checkTarget(path) === 'broken') this.brokenLinks += 1;
    }
    onProgress?.({ type: 'done', id, transferred: entries.length });
  }

  *#checkEntry(category: RefCategory, name: ByteString, type: string): Steps<Rest | undefined> {
    const path = `${category}/${name}`;
    if (type !== 'symlink') {
      this.#find('entry-not-symlink', path, '');
      this.corrupted[category] += 1;
      return undefined;
    }
    const target = this.#checkTarget(path);
    if (target !== 'there') {
      if (target === 'failed') return undefined;
      this.brokenLinks += 1;
      this.corrupted[category] += 1;
      return undefined;
    }
    const rest =
      category === 'streams' ? yield* this.#checkStream(path) : yield* this.#checkImage(path);
    const checker = this;
    return function* () {
      if (rest !== undefined) yield* rest();
      if (checker.#findings.length === 0) checker.#checkObjectLink(category, name);
    };
  }

  /** The target of a first-level link, if the link is otherwise valid. */
  #checkObjectLink(category: RefCategory, name: ByteString): void {
    const { root, algorithm } = this.#repository;
    const path = `${category}/${name}`;
    const link = readObjectLink(root, path, algorithm);
    const isWrongImage = category === 'images' && link.kind === 'object' && link.id !== `${name}`;
    if (link.kind === 'object' && !isWrongImage) return;
    // With the wrong algorithm in meta.json, every link is invalid; the findings of objects and streams already report that.
    const other = algorithm === 'sha256' ? 'sha512' : 'sha256';
    if (link.kind === 'invalid' && readObjectLink(root, path, other).kind === 'object') return;
    const detail = link.kind === 'object' ? `points to object ${link.id}` : 'points to no object';
    this.#find('entry-wrong-target', path, detail);
    this.corrupted[category] += 1;
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

  *#checkStream(path: string): Steps<Rest | undefined> {
    const opened = attempt(() => this.#openTarget(path));
    using file = opened.value;
    const reader = file === undefined ? undefined : readerOf(file);
    const { algorithm } = this.#repository;
    const stream = attempt(() =>
      reader === undefined ? undefined : openSplitstream(reader, { algorithm }),
    );
    if (stream.value === undefined) {
      const reason = opened.error ?? stream.error;
      this.#find('stream-open-failed', path, reason?.message ?? 'it is not a regular file');
      this.corrupted.streams += 1;
      return undefined;
    }
    const refs = yield* this.#requireTable(stream.value, path);
    for (const [label, id] of stream.value.namedRefs) {
      this.#requireObject(id, 'missing-named-ref', path, `${label} -> ${id}`);
    }
    return this.#options.metadataOnly === true || refs === undefined
      ? undefined
      : yield* this.#checkBody(path, stream.value, refs);
  }

  /** Checks the objects of a stream. Returns their numbers in the list (-1: not listed); undefined if one is missing. */
  *#requireTable(stream: Splitstream, path: string): Steps<Int32Array | undefined> {
    const { objectDigests: digests } = stream;
    const words = new Uint32Array(digests.buffer, digests.byteOffset, digests.length / 4);
    const stride = this.#objects.digestWords;
    const refs = new Int32Array(words.length / stride);
    let isWhole = true;
    for (let ref = 0; ref < refs.length; ref += 1) {
      if (ref % STEP_ITEMS === 0) yield;
      refs[ref] = this.#objects.indexOfWords(words, ref * stride);
      if ((refs[ref] as number) >= 0) continue;
      const id = stream.objectRefs[ref];
      if (id === undefined || !this.#requireObject(id, 'missing-object-ref', path)) isWhole = false;
    }
    return isWhole ? refs : undefined;
  }

  /** Decodes the body; its size is summed up when the sizes of the objects are known. Damaged objects are not reported again. */
  *#checkBody(path: string, stream: Splitstream, refs: Int32Array): Steps<Rest> {
    const uses = new Uint32Array(refs.length);
    const inlineBytes = yield* attemptSteps(countInline(stream, uses));
    const checker = this;
    return function* () {
      const sizeBytes = yield* attemptSteps(checker.#externalBytes(stream, uses, refs));
      const error = inlineBytes.error ?? sizeBytes.error;
      const found = (inlineBytes.value ?? 0) + (sizeBytes.value ?? 0);
      if (error === undefined && found === stream.sizeBytes) return;
      const { root, algorithm } = checker.#repository;
      const link = readObjectLink(root, path, algorithm);
      if (link.kind === 'object' && checker.#isDamaged(link.id)) return;
      const detail = error?.message ?? `expected ${stream.sizeBytes} bytes, found ${found}`;
      checker.#find('stream-read-failed', path, detail);
      checker.corrupted.streams += 1;
    };
  }

  /** Bytes of the objects of a stream; an object that is used twice counts twice. */
  *#externalBytes(stream: Splitstream, uses: Uint32Array, refs: Int32Array): Steps<number> {
    let sum = 0;
    for (let ref = 0; ref < uses.length; ref += 1) {
      if (ref % STEP_ITEMS === 0) yield;
      const count = uses[ref] as number;
      if (count > 0) sum += count * this.#sizeOf(refs[ref] ?? -1, stream, ref);
    }
    return sum;
  }

  /** Size of an object from the check of objects, or from the filesystem. */
  #sizeOf(index: number, stream: Splitstream, ref: number): number {
    const known = this.#objects.sizeAt(index);
    if (known !== undefined) return known;
    const id = stream.objectRefs[ref];
    return (id === undefined ? undefined : this.#repository.objects.sizeOf(id)) ?? 0;
  }

  /** True if the check of objects also reports this object. */
  #isDamaged(id: ObjectId): boolean {
    const { objects } = this.#repository;
    return (
      attempt(() => objects.open(id, { verify: 'content' })[Symbol.dispose]()).error !== undefined
    );
  }

  *#checkImage(path: string): Steps<undefined> {
    const opened = attempt(() => this.#openTarget(path));
    using file = opened.value;
    if (file === undefined) {
      this.#find('image-open-failed', path, opened.error?.message ?? 'it is not a regular file');
      this.corrupted.images += 1;
      return;
    }
    const image = readerOf(file);
    const { digestBytes } = ALGORITHMS[this.#repository.algorithm];
    const unlisted = new ObjectSet(digestBytes);
    const refs = yield* attemptSteps(
      visitObjectRefsInSteps(image, digestBytes, (words, at) => {
        if (this.#objects.indexOfWords(words, at) < 0) unlisted.addWords(words, at);
      }),
    );
    if (refs.value === undefined) {
      const kind = refs.error.kind === 'host' ? 'image-read-failed' : 'image-invalid';
      this.#find(kind, path, refs.error.message);
      this.corrupted.images += 1;
      return;
    }
    for (const id of [...unlisted.ids(), ...refs.value]) {
      this.#requireObject(id, 'image-missing-object', path);
    }
  }

  /** Opens the target of a link if it is a regular file: a pipe would block forever. */
  #openTarget(path: string): HostFile | undefined {
    const { root } = this.#repository;
    return root.stat(path)?.type === 'file' ? root.openFile(path) : undefined;
  }

  /** True if the object was listed, or has been created since. */
  #requireObject(id: ObjectId, kind: FindingKind, path: string, detail: string = id): boolean {
    if (this.#objects.indexOf(id) >= 0) return true;
    const size = attempt(() => this.#repository.objects.sizeOf(id));
    if (size.value !== undefined) return true;
    if (size.error !== undefined) this.#find('object-check-failed', path, size.error.message);
    else {
      this.missingObjects += 1;
      this.#find(kind, path, detail);
    }
    return false;
  }

  #find(kind: FindingKind, path: string, detail: string): void {
    this.#findings.push({ kind, path: displayText(path as ByteString), detail });
  }
}

/** Bytes of a stream that lie in itself; counts how often it uses each object. */
function* countInline(stream: Splitstream, uses: Uint32Array): Steps<number> {
  let sum = 0;
  let parts = 0;
  for (const part of stream.parts()) {
    parts += 1;
    if (parts % STEP_ITEMS === 0) yield;
    if (part.kind === 'inline') sum += part.bytes.length;
    else uses[part.index] = (uses[part.index] ?? 0) + 1;
  }
  return sum;
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
