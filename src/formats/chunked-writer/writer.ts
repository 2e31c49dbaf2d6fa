import { FormatError } from '#base/errors';
import { tocTypeOf } from '#formats/chunked';
import { TAR_BLOCK_BYTES, type TarMemberHeader } from '#formats/tar';
import { Crc64Iso, TarSegmenter, type TarSegmentSink } from '#formats/tar-split';
import { FileChunks } from './file-chunks.ts';
import { FrameCutter } from './frame-cutter.ts';
import { MemberRules } from './member-rules.ts';
import { type PlainLayer, plainLayer } from './refusal.ts';
import { type ChunkedTail, encodeTail } from './tail.ts';
import { TarSplitFrames } from './tar-split-frames.ts';
import type { TocDraft } from './toc-text.ts';

/** Options of a layer writer. */
export interface ChunkedWriterOptions {
  /** Level of zstd, 1 to 22. */
  readonly level: number;
}

/**
 * Writes a tar as a zstd:chunked layer that podman can pull in parts. Sans-I/O, in three steps:
 * `push` and `end` return frame contents in order; the caller compresses them (`compressFrame`, on any thread) and reports the lengths
 * to `placed` in the same order; `finish` returns the last bytes of the blob. Frames depend on the tar and the level alone.
 * A tar that a TOC cannot hold continues as plain frames, and `finish` returns the reason. The concatenated frames always inflate to the tar.
 * Memory: one frame, the headers of a member, and some 500 bytes a member. Source: spec of zstd:chunked 1.2 to 1.8.
 */
export class ChunkedWriter {
  readonly #level: number;
  readonly #segmenter = new TarSegmenter();
  readonly #cutter = new FrameCutter();
  readonly #rules = new MemberRules();
  readonly #split: TarSplitFrames;
  readonly #sink: TarSegmentSink = {
    segment: (bytes) => {
      this.#cutter.add(bytes);
      this.#split.add({ kind: 'segment', bytes });
    },
    member: (header) => this.#startMember(header),
    content: (bytes) => this.#content(bytes),
    memberEnd: () => this.#endMember(),
  };
  /** Blob offset of each frame, and of the end of the last one. */
  readonly #offsets: number[] = [0];
  #drafts: TocDraft[] = [];
  #tarBytes = 0;
  #plain: PlainLayer | undefined;
  #header: TarMemberHeader | undefined;
  #file: FileChunks | undefined;
  #crc = new Crc64Iso();

  constructor({ level }: ChunkedWriterOptions) {
    this.#level = level;
    this.#split = new TarSplitFrames(level);
  }

  /** Reads the next bytes of the tar; returns the contents of the frames that they complete. */
  push(piece: Uint8Array): Uint8Array[] {
    if (this.#plain === undefined) {
      this.#attempt(() => this.#segmenter.push(piece, this.#sink));
      if (this.#plain !== undefined) this.#turnPlain(piece);
    } else this.#cutter.add(Uint8Array.from(piece));
    this.#tarBytes += piece.length;
    return this.#cutter.take();
  }

  /** Call after the last bytes of the tar; returns the contents of the last frames. */
  end(): Uint8Array[] {
    if (this.#plain === undefined) {
      this.#attempt(() => this.#segmenter.end(this.#sink));
      if (this.#plain !== undefined) this.#turnPlain(new Uint8Array(0));
      else if (!this.#segmenter.isTrailerZero || this.#tarBytes % TAR_BLOCK_BYTES !== 0) {
        this.#refuse(plainLayer('trailer', 'bytes other than zero blocks follow its archive'));
      }
    }
    this.#cutter.cut();
    return this.#cutter.take();
  }

  /** The next frame has `lengthBytes` in the blob. */
  placed(lengthBytes: number): void {
    this.#offsets.push((this.#offsets.at(-1) ?? 0) + lengthBytes);
  }

  /** The last bytes of the blob, once all frames are placed; or the reason for a plain layer. */
  finish(): ChunkedTail | PlainLayer {
    if (this.#plain !== undefined) return this.#plain;
    return encodeTail(this.#drafts, this.#offsets, this.#split, this.#level);
  }

  /** An invalid tar is not an error: its bytes are written unchanged. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#refuse(plainLayer('tar', error.message));
    }
  }

  #refuse(plain: PlainLayer): void {
    this.#plain ??= plain;
    this.#drafts = [];
  }

  /** Writes the bytes that chunker and segmenter hold, and the bytes that they have not read. */
  #turnPlain(piece: Uint8Array): void {
    this.#file?.finish();
    this.#file = undefined;
    this.#cutter.add(this.#segmenter.held);
    this.#cutter.add(piece.slice(this.#segmenter.offset - this.#tarBytes));
  }

  #startMember(header: TarMemberHeader): void {
    if (this.#plain !== undefined) return;
    const plain = this.#split.isTooLarge
      ? plainLayer('too-large', 'its tar-split is longer than readers accept')
      : this.#rules.check(header);
    if (plain !== undefined) {
      this.#refuse(plain);
      return;
    }
    this.#header = header;
    if (header.payloadBytes === 0) return;
    this.#cutter.cut();
    this.#file = new FileChunks(this.#cutter);
    this.#crc = new Crc64Iso();
  }

  #content(bytes: Uint8Array): void {
    if (this.#file === undefined) {
      this.#cutter.add(Uint8Array.from(bytes));
      return;
    }
    this.#file.push(bytes);
    this.#crc.update(bytes);
  }

  #endMember(): void {
    const header = this.#header;
    const type = header === undefined ? undefined : tocTypeOf(header.typeFlag);
    this.#header = undefined;
    if (this.#plain !== undefined || header === undefined || type === undefined) return;
    const { name, payloadBytes: sizeBytes } = header;
    const content = this.#file?.finish();
    const crc = content === undefined ? undefined : this.#crc.finish();
    this.#file = undefined;
    this.#split.add({ kind: 'file', name, sizeBytes, crc });
    this.#drafts.push({
      type,
      header,
      digest: content?.digest,
      runs: content?.runs ?? [],
      endFrame: this.#cutter.count,
    });
  }
}
