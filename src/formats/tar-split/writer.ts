import type { TarMemberHeader } from '#formats/tar';
import { Crc64Iso } from './crc64-iso.ts';
import { encodeTarSplitRecord, type TarSplitRecord } from './record.ts';
import { TarSegmenter, type TarSegmentSink } from './segmenter.ts';

/** A CRC-64/ISO of bytes that arrive in pieces. */
export type TarSplitCrc = Pick<Crc64Iso, 'update' | 'finish'>;

/**
 * Writes the tar-split of a tar: lines of JSON, uncompressed. The result depends only on the tar, not on the division of the
 * input into pieces. Sans-I/O; holds the headers of one member and the lines not yet returned.
 */
export class TarSplitWriter {
  readonly #newCrc: () => TarSplitCrc;
  readonly #segmenter = new TarSegmenter();
  readonly #sink: TarSegmentSink = {
    segment: (bytes) => this.#add({ kind: 'segment', bytes }),
    member: (header) => {
      this.#header = header;
      this.#crc = this.#newCrc();
    },
    content: (bytes) => this.#crc.update(bytes),
    memberEnd: () => this.#endMember(),
  };
  #lines: string[] = [];
  #position = 0;
  #header: TarMemberHeader | undefined;
  #crc: TarSplitCrc;

  /** @param newCrc makes the checksum of a file: a faster one, where the host has it */
  constructor(newCrc: () => TarSplitCrc = () => new Crc64Iso()) {
    this.#newCrc = newCrc;
    this.#crc = newCrc();
  }

  /** Parses the next bytes of the tar; returns the lines that they complete. @throws FormatError TAR_* */
  push(piece: Uint8Array): Uint8Array {
    this.#segmenter.push(piece, this.#sink);
    return this.#taken();
  }

  /** Ends the tar; returns the last lines. @throws FormatError TAR_TRUNCATED */
  end(): Uint8Array {
    this.#segmenter.end(this.#sink);
    return this.#taken();
  }

  #endMember(): void {
    if (this.#header === undefined) return;
    const { name, payloadBytes } = this.#header;
    const crc = payloadBytes > 0 ? this.#crc.finish() : undefined;
    this.#add({ kind: 'file', name, sizeBytes: payloadBytes, crc });
  }

  #add(record: TarSplitRecord): void {
    this.#lines.push(encodeTarSplitRecord(record, this.#position));
    this.#position += 1;
  }

  #taken(): Uint8Array {
    const bytes = Buffer.from(this.#lines.join(''), 'utf8');
    this.#lines = [];
    return bytes;
  }
}
