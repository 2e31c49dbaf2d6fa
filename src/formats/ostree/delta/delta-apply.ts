import type { ByteString } from '#base/bytes';
import { byteStringOf } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import { CHECKSUM_BYTES, FILE_MAX_BYTES } from '../layout.ts';
import { parseCommit } from '../objects/commit.ts';
import { parseDirmeta } from '../objects/dirmeta.ts';
import { parseDirtree } from '../objects/dirtree.ts';
import { FileHasher, type SizedFileHeader } from '../objects/file.ts';
import { isLinkMode, isRegularMode, requireFileMode } from '../objects/mode.ts';
import {
  checksumOf,
  isUtf8,
  type MetadataKind,
  requireChecksum,
  verifyMetadata,
} from '../objects/objects.ts';
import { applyBspatch, readFully } from './bspatch.ts';
import type { DeltaObject, DeltaPartInfo } from './delta.ts';
import type { DeltaPart } from './delta-part.ts';

/** Receives the content of one produced file. */
export interface DeltaFileSink {
  /** Content in order. The piece is reused afterwards: copy to keep. */
  write(piece: Uint8Array): void;
  /** Called once, after the checksum of header and content was verified: make the object visible. */
  commit(): void;
  /** Called instead of `commit` after any failure. */
  discard(): void;
}

/** The objects that a delta reads and writes. All calls are synchronous: parts run in workers or on local files. */
export interface DeltaTarget {
  /**
   * Content of a file object of the source commit.
   * @throws NotFoundError when the object is missing
   */
  openSource(checksum: OstreeChecksum): RandomReader;
  /** Starts a file object. Links have no content: `commit` follows immediately. */
  beginFile(checksum: OstreeChecksum, header: SizedFileHeader): DeltaFileSink;
  /** Stores a verified metadata object. A view: copy to keep. */
  putMetadata(kind: MetadataKind, checksum: OstreeChecksum, bytes: Uint8Array): void;
}

/**
 * Executes the operations of a part. Every object is verified before it is committed: checksum, then the rules of
 * its kind. Exactly the objects of the part's list are produced, in its order. Memory is bounded for all
 * object sizes. Source: OSTree spec 2.15.
 * @throws FormatError OSTREE_DELTA_INVALID and those of the object kinds; IntegrityError OSTREE_CHECKSUM_MISMATCH;
 * errors of the target pass unchanged
 */
export function applyDeltaPart(part: DeltaPart, info: DeltaPartInfo, target: DeltaTarget): void {
  const executor = new Executor(part, info.objects, target);
  try {
    executor.run();
  } finally {
    executor.discard();
  }
}

/** A regular file between the operations `o` and `c`. */
interface OpenFile {
  readonly object: DeltaObject;
  readonly sizeBytes: number;
  readonly hasher: FileHasher;
  readonly sink: DeltaFileSink;
  writtenBytes: number;
}

/** Largest piece copied from a source object at once, in bytes. */
const PIECE_BYTES = 64 * 1024;

const OPERATION = {
  openSpliceClose: 0x53,
  open: 0x6f,
  write: 0x77,
  setSource: 0x72,
  unsetSource: 0x52,
  close: 0x63,
  bspatch: 0x42,
} as const;

class Executor {
  readonly #part: DeltaPart;
  readonly #objects: readonly DeltaObject[];
  readonly #target: DeltaTarget;
  readonly #buffer = new Uint8Array(PIECE_BYTES);
  #at = 0;
  #operationAt = 0;
  #objectIndex = 0;
  #source: OstreeChecksum | undefined;
  #sourceReader: RandomReader | undefined;
  #file: OpenFile | undefined;

  constructor(part: DeltaPart, objects: readonly DeltaObject[], target: DeltaTarget) {
    this.#part = part;
    this.#objects = objects;
    this.#target = target;
  }

  run(): void {
    const { operations } = this.#part;
    while (this.#at < operations.length) {
      this.#operationAt = this.#at;
      this.#step(operations[this.#at++] as number);
    }
    this.#operationAt = operations.length;
    if (this.#file !== undefined) this.#fail('the open file to be closed', 'the end');
    if (this.#objectIndex !== this.#objects.length) {
      this.#fail(`${this.#objects.length} objects`, String(this.#objectIndex));
    }
  }

  /** Discards a file left open by an error. */
  discard(): void {
    this.#file?.sink.discard();
    this.#file = undefined;
  }

  #step(operation: number): void {
    switch (operation) {
      case OPERATION.openSpliceClose:
        this.#openSpliceClose();
        break;
      case OPERATION.open:
        this.#open();
        break;
      case OPERATION.write:
        this.#write();
        break;
      case OPERATION.setSource:
        this.#setSource();
        break;
      case OPERATION.unsetSource:
        this.#unsetSource();
        break;
      case OPERATION.close:
        this.#close();
        break;
      case OPERATION.bspatch:
        this.#bspatch();
        break;
      default:
        this.#fail('a known operation', String(operation));
    }
  }

  #openSpliceClose(): void {
    const object = this.#nextObject();
    if (object.kind !== 'file') {
      const bytes = this.#payload(this.#varint(), this.#varint());
      verifyMetadata(bytes, object.checksum, object.kind);
      validateMetadata(object.kind, bytes);
      this.#target.putMetadata(object.kind, object.checksum, bytes);
    } else {
      const header = this.#header();
      const bytes = this.#payload(this.#varint(), this.#varint());
      if (isLinkMode(header.mode))
        this.#splice(object, { ...header, target: this.#linkTarget(bytes) });
      else this.#splice(object, { ...header, sizeBytes: bytes.length }, bytes);
    }
    this.#unsetSource();
  }

  /** Produces a whole file object at once. */
  #splice(object: DeltaObject, header: SizedFileHeader, content?: Uint8Array): void {
    const file = this.#begin(object, header);
    if (content !== undefined) this.#append(file, content);
    this.#close();
  }

  #open(): void {
    const object = this.#nextObject();
    if (object.kind !== 'file') this.#fail('a file object', `a ${object.kind}`);
    const header = this.#header();
    if (!isRegularMode(header.mode)) this.#fail('a regular file', 'a link');
    const sizeBytes = this.#varint();
    if (sizeBytes > FILE_MAX_BYTES) this.#fail('a smaller file', `${sizeBytes} bytes`);
    this.#begin(object, { ...header, sizeBytes });
  }

  #begin(object: DeltaObject, header: SizedFileHeader): OpenFile {
    const file: OpenFile = {
      object,
      sizeBytes: header.sizeBytes,
      hasher: new FileHasher(header),
      sink: this.#target.beginFile(object.checksum, header),
      writtenBytes: 0,
    };
    this.#file = file;
    return file;
  }

  #write(): void {
    const file = this.#openFile();
    const length = this.#varint();
    const offset = this.#varint();
    if (this.#source === undefined) this.#append(file, this.#payload(length, offset));
    else this.#copy(file, length, offset);
  }

  #copy(file: OpenFile, length: number, offset: number): void {
    const source = this.#openSource();
    if (length > source.sizeBytes - offset) {
      this.#fail(`a range in ${source.sizeBytes} bytes of source`, `${length} at ${offset}`);
    }
    for (let done = 0; done < length; ) {
      const piece = this.#buffer.subarray(0, Math.min(PIECE_BYTES, length - done));
      readFully(source, offset + done, piece);
      this.#append(file, piece);
      done += piece.length;
    }
  }

  #setSource(): void {
    const id = this.#payload(CHECKSUM_BYTES, this.#varint());
    this.#unsetSource();
    this.#source = checksumOf(id, 'source of delta operation');
  }

  #unsetSource(): void {
    this.#source = undefined;
    this.#sourceReader = undefined;
  }

  #bspatch(): void {
    const file = this.#openFile();
    const offset = this.#varint();
    const length = this.#varint();
    if (this.#source === undefined) this.#fail('a source for the patch', 'none');
    if (file.writtenBytes !== 0) this.#fail('an empty file to patch', `${file.writtenBytes} bytes`);
    const patch = this.#payload(length, offset);
    applyBspatch(patch, this.#openSource(), file.sizeBytes, (piece) => this.#append(file, piece));
  }

  #close(): void {
    const file = this.#openFile();
    if (file.writtenBytes !== file.sizeBytes) {
      this.#fail(`${file.sizeBytes} bytes of content`, String(file.writtenBytes));
    }
    requireChecksum(file.hasher.finish(), file.object.checksum, 'file');
    file.sink.commit();
    this.#file = undefined;
    this.#unsetSource();
  }

  #append(file: OpenFile, piece: Uint8Array): void {
    file.writtenBytes += piece.length;
    if (file.writtenBytes > file.sizeBytes) {
      this.#fail(`at most ${file.sizeBytes} bytes of content`, String(file.writtenBytes));
    }
    if (piece.length === 0) return;
    file.hasher.update(piece);
    file.sink.write(piece);
  }

  #nextObject(): DeltaObject {
    if (this.#file !== undefined) this.#fail('the open file to be closed', 'another object');
    const object = this.#objects[this.#objectIndex++];
    return object ?? this.#fail(`${this.#objects.length} objects`, 'one more');
  }

  #openFile(): OpenFile {
    return this.#file ?? this.#fail('an open file', 'none');
  }

  #openSource(): RandomReader {
    const source = this.#source ?? this.#fail('a source', 'none');
    this.#sourceReader ??= this.#target.openSource(source);
    return this.#sourceReader;
  }

  /** Mode and xattrs by their indices in the part's tables. */
  #header(): SizedFileHeader {
    const mode = this.#part.modes[this.#varint()] ?? this.#fail('a mode in the table', 'another');
    const xattrs = this.#part.xattrs[this.#varint()] ?? this.#fail('xattrs in the table', 'others');
    requireFileMode(mode.mode, 'file of delta part');
    return { ...mode, xattrs, target: '' as ByteString, sizeBytes: 0 };
  }

  #payload(length: number, offset: number): Uint8Array {
    const { payload } = this.#part;
    if (offset > payload.length || length > payload.length - offset) {
      this.#fail(`a range in ${payload.length} bytes of payload`, `${length} at ${offset}`);
    }
    return payload.subarray(offset, offset + length);
  }

  /** The target of a link ends at its first NUL, as in libostree, and is UTF-8. */
  #linkTarget(bytes: Uint8Array): ByteString {
    const nul = bytes.indexOf(0);
    const target = nul < 0 ? bytes : bytes.subarray(0, nul);
    if (!isUtf8(target)) this.#fail('a link target in UTF-8', 'other bytes');
    return byteStringOf(target);
  }

  /** Unsigned LEB128 of at most 10 bytes; leading zero groups are legal. */
  #varint(): number {
    let value = 0;
    for (let count = 0, scale = 1; count < 10; count++, scale *= 128) {
      const byte = this.#part.operations[this.#at++] ?? this.#fail('a number', 'the end');
      value += (byte % 128) * scale;
      if (!Number.isSafeInteger(value)) this.#fail('a number below 2^53', String(value));
      if (byte < 128) return value;
    }
    return this.#fail('a number of at most 10 bytes', 'more');
  }

  #fail(expected: string, found: string): never {
    const offset = this.#operationAt;
    const object = Math.max(0, this.#objectIndex - 1);
    throw new FormatError(
      'OSTREE_DELTA_INVALID',
      `Cannot execute delta operation at ${offset} (object ${object}): expected ${expected}, found ${found}`,
      { offset, what: 'delta part', expected, found, object },
    );
  }
}

function validateMetadata(kind: MetadataKind, bytes: Uint8Array): void {
  if (kind === 'dirtree') parseDirtree(bytes);
  else if (kind === 'dirmeta') parseDirmeta(bytes);
  else parseCommit(bytes);
}
