import type { ObjectId } from '#base/digest';
import type { VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  checkTarEntry,
  type SplitContent,
  type StoredContent,
  type TarEntry,
  type TarSink,
  TarSplitter,
} from '#formats/tar';
import type { Reading } from '#formats/tree';
import { openVerityHasher } from '#host';
import { expandSparse } from '#work/image';
import { ScratchObjects, type StagedContent } from './scratch.ts';

/** What to do with the files of a layer. */
export interface TarSurveyOptions {
  readonly algorithm: VerityAlgorithm;
  /** Default: `standard`. */
  readonly reading?: Reading | undefined;
  /** Store of requested contents. */
  readonly scratch: ScratchObjects;
  /** Whether the content of the entry with this number (from 0) is wanted. */
  readonly isWanted: (number: number) => boolean;
  /** Called for every entry in order. Without it, only requested contents are hashed. */
  readonly onEntry?: (entry: TarEntry, content: StoredContent, number: number) => void;
}

/** Splits a tar as a pull does, hashes its files, and stores only the requested ones. */
export class TarSurvey implements TarSink, Disposable {
  readonly #options: TarSurveyOptions;
  readonly #splitter: TarSplitter;
  /** Holds a sparse file until its entry has passed: the file is hashed with its holes. */
  readonly #passing = new ScratchObjects();
  /** Number of processed entries. */
  #count = 0;
  #hasher: VerityHasher | undefined;
  #staged: StagedContent | undefined;
  #id: ObjectId | undefined;

  constructor(options: TarSurveyOptions) {
    this.#options = options;
    this.#splitter = new TarSplitter(options.reading);
  }

  /** Processes the next bytes of the tar. @throws FormatError TAR_*, LAYER_TOO_LARGE; HostError; what `onEntry` throws */
  push(piece: Uint8Array): void {
    this.#splitter.push(piece, this);
  }

  /** Ends the tar. @throws FormatError TAR_TRUNCATED, TAR_EXTENSION_ORPHANED */
  end(): void {
    this.#splitter.end();
  }

  inline(): void {}

  externalStart({ sparse }: TarEntry): void {
    if (this.#isPassedOver()) return;
    const { algorithm, isWanted, scratch } = this.#options;
    this.#hasher = openVerityHasher(algorithm);
    if (sparse !== undefined) this.#staged = this.#passing.stage();
    else if (isWanted(this.#count)) this.#staged = scratch.stage();
  }

  externalData(bytes: Uint8Array): void {
    this.#hasher?.update(bytes);
    this.#staged?.write(bytes);
  }

  externalEnd(): void {
    this.#id = this.#hasher?.finish();
    if (this.#id !== undefined) this.#staged?.publish(this.#id);
    this.#release();
  }

  entry(entry: TarEntry, content: SplitContent): void {
    const number = this.#count;
    if (!this.#isPassedOver()) {
      checkTarEntry(entry);
      const stored = content.kind === 'inline' ? content : this.#stored(content);
      const expanded = this.#expanded(entry, stored, number);
      this.#options.onEntry?.(entry, expanded, number);
    }
    this.#count += 1;
  }

  /** True if the current entry was not requested. */
  #isPassedOver(): boolean {
    return this.#options.onEntry === undefined && !this.#options.isWanted(this.#count);
  }

  #expanded(entry: TarEntry, content: StoredContent, number: number): StoredContent {
    if (entry.sparse === undefined) return content;
    const { algorithm, isWanted, scratch } = this.#options;
    const target = isWanted(number) ? scratch : this.#passing;
    const open = (id: ObjectId) => this.#passing.open(id);
    const store = { algorithm, objects: { open, stage: () => target.stage() } };
    try {
      return expandSparse(store, { entry, content });
    } finally {
      this.#passing.clear();
    }
  }

  #stored({ kind, sizeBytes }: Extract<SplitContent, { kind: 'external' }>): StoredContent {
    const id = this.#id;
    if (id === undefined) throw new Error('an external entry came before its content');
    return { kind, id, sizeBytes };
  }

  #release(): void {
    this.#staged?.[Symbol.dispose]();
    this.#staged = undefined;
    this.#hasher = undefined;
  }

  /** Removes incomplete contents. */
  [Symbol.dispose](): void {
    this.#release();
    this.#passing[Symbol.dispose]();
  }
}
