import { roundUp } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { atOnce, type Steps } from '#base/flow';
import type { VerityAlgorithm } from '#formats/fsverity';
import { walkCommit } from '../objects/commit-walk.ts';
import { FileHasher } from '../objects/file.ts';
import { isLinkMode } from '../objects/mode.ts';
import {
  computeMetadataChecksum,
  type DeltaObjectKind,
  type MetadataKind,
} from '../objects/objects.ts';
import { isSorted } from '../objects/xattrs.ts';
import { inlineMaxBytes } from './commit-stream.ts';
import { ALIGNMENT } from './commit-stream-layout.ts';
import type { CommitStream, StreamObject } from './commit-stream-reader.ts';

/** The findings of checkCommitStream, with their meaning. */
export const STREAM_FINDINGS = {
  CHECKSUM_MISMATCH: 'an object does not hash to its id',
  CONTENT_GAP: 'objects do not follow each other without a gap',
  CONTENT_SIZE: 'inline content has another size than its header says',
  EXTERNAL_ORDER: 'external objects are not in the order of their first use',
  EXTERNAL_UNUSED: 'an external object is used by no file',
  INLINE_LIMIT: 'a file is inline although it is large, or external although it is small',
  KIND_CONFLICT: 'one id is used as objects of two kinds',
  OBJECT_INVALID: 'an object breaks the rules of its kind',
  OBJECT_MISSING: 'an object that the commit needs is not in the stream',
  OBJECT_UNREACHABLE: 'an object is in the stream that the commit does not need',
  PADDING: 'padding is not zero',
} as const;

/** Code of a finding. */
export type StreamFindingCode = keyof typeof STREAM_FINDINGS;

/** One fault of a commit stream. */
export interface StreamFinding {
  readonly code: StreamFindingCode;
  /** The object concerned; undefined for a fault of the whole stream. */
  readonly checksum: OstreeChecksum | undefined;
  readonly message: string;
}

/** Options of checkCommitStream. */
export interface CheckStreamOptions {
  /** Determines the limit for inline files. */
  readonly algorithm: VerityAlgorithm;
}

/**
 * Checks all properties of an open stream that need no other objects: hashes of all metadata and inline
 * files, reachability, layout. External content has its own digest and is checked with the repository.
 * Never throws because of the stream's content; findings come in a fixed order.
 */
export function checkCommitStream(
  stream: CommitStream,
  options: CheckStreamOptions,
): StreamFinding[] {
  return atOnce(checkCommitStreamInSteps(stream, options));
}

/** Like `checkCommitStream`, in steps. */
export function checkCommitStreamInSteps(
  stream: CommitStream,
  options: CheckStreamOptions,
): Steps<StreamFinding[]> {
  return new StreamChecker(stream, options).run();
}

class StreamChecker {
  readonly #stream: CommitStream;
  readonly #inlineMax: number;
  readonly #kinds = new Map<OstreeChecksum, DeltaObjectKind>();
  readonly #findings: StreamFinding[] = [];

  constructor(stream: CommitStream, options: CheckStreamOptions) {
    this.#stream = stream;
    this.#inlineMax = inlineMaxBytes(options.algorithm);
  }

  *run(): Steps<StreamFinding[]> {
    yield* this.#walk();
    yield* this.#checkLayout();
    for (const object of this.#stream.objects()) {
      yield;
      this.#checkObject(object);
    }
    this.#checkExternals();
    return this.#findings;
  }

  *#walk(): Steps<void> {
    const lookup = (checksum: OstreeChecksum): Uint8Array | undefined =>
      this.#stream.find(checksum)?.data;
    try {
      for (const { kind, checksum } of walkCommit(this.#stream.commit, lookup)) {
        yield;
        const known = this.#kinds.get(checksum);
        if (known !== undefined) this.#add('KIND_CONFLICT', checksum, `${known} and ${kind}`);
        this.#kinds.set(checksum, kind);
        if (!this.#stream.has(checksum)) this.#add('OBJECT_MISSING', checksum, kind);
      }
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      this.#add('OBJECT_INVALID', undefined, error.message);
    }
  }

  /** Objects are contiguous in table order, each padded with zeros, and the last one ends the content. */
  *#checkLayout(): Steps<void> {
    let end = 0;
    for (const { checksum, data, offset } of this.#stream.objects()) {
      yield;
      if (offset !== end) this.#add('CONTENT_GAP', checksum, `at ${offset} instead of ${end}`);
      end = roundUp(offset + data.length, ALIGNMENT);
      const padding = this.#stream.contentBetween(offset + data.length, end);
      if (padding.some((byte) => byte !== 0)) this.#add('PADDING', checksum, `before ${end}`);
    }
    if (end !== this.#stream.contentBytes) {
      const message = `${this.#stream.contentBytes - end} bytes after the last object`;
      this.#add('CONTENT_GAP', undefined, message);
    }
  }

  #checkObject(object: StreamObject): void {
    const { checksum } = object;
    const kind = this.#kinds.get(checksum);
    if (kind === undefined) this.#add('OBJECT_UNREACHABLE', checksum, 'not reached');
    else if (kind === 'file') this.#checkFile(checksum);
    else this.#checkMetadata(object, kind);
  }

  #checkMetadata({ checksum, data, external }: StreamObject, kind: MetadataKind): void {
    const found = computeMetadataChecksum(data);
    if (found !== checksum) this.#add('CHECKSUM_MISMATCH', checksum, `${kind} hashes to ${found}`);
    if (external !== undefined) this.#add('OBJECT_INVALID', checksum, `${kind} with an external`);
  }

  #checkFile(checksum: OstreeChecksum): void {
    try {
      const { header, inline, external } = this.#stream.file(checksum);
      const isLink = isLinkMode(header.mode);
      const sizeBytes = isLink ? 0 : header.sizeBytes;
      const isLarge = sizeBytes > this.#inlineMax;
      if (isLarge !== (external !== undefined)) {
        this.#add('INLINE_LIMIT', checksum, `${sizeBytes} bytes`);
      }
      const expected = external === undefined ? sizeBytes : 0;
      if (inline.length !== expected) {
        this.#add('CONTENT_SIZE', checksum, `${inline.length} bytes instead of ${expected}`);
      }
      if (external === undefined) this.#checkFileHash(checksum);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      this.#add('OBJECT_INVALID', checksum, error.message);
    }
  }

  /** Old writers hashed xattrs in stored order: both orders are accepted. */
  #checkFileHash(checksum: OstreeChecksum): void {
    const { header, inline } = this.#stream.file(checksum);
    const hash = (storedOrder: boolean): OstreeChecksum => {
      const hasher = new FileHasher(header, storedOrder);
      hasher.update(inline);
      return hasher.finish();
    };
    const found = hash(false);
    if (found === checksum) return;
    if (!isSorted(header.xattrs) && hash(true) === checksum) return;
    this.#add('CHECKSUM_MISMATCH', checksum, `file hashes to ${found}`);
  }

  #checkExternals(): void {
    const used = new Set<ObjectId>();
    for (const { external } of this.#stream.objects())
      if (external !== undefined) used.add(external);
    const order = [...used];
    const refs = this.#stream.objectRefs;
    for (const id of refs) {
      if (!used.has(id)) this.#add('EXTERNAL_UNUSED', undefined, id);
    }
    const listed = refs.filter((id) => used.has(id));
    const at = listed.findIndex((id, index) => id !== order[index]);
    if (at >= 0) this.#add('EXTERNAL_ORDER', undefined, `index ${at}`);
  }

  #add(code: StreamFindingCode, checksum: OstreeChecksum | undefined, detail: string): void {
    this.#findings.push({ code, checksum, message: `${STREAM_FINDINGS[code]}: ${detail}` });
  }
}
