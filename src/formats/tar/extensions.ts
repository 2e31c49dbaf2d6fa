import { failTar } from './fault.ts';
import { EXTENSIONS_BYTES_MAX, TAR_BLOCK_BYTES, TYPE_FLAG } from './layout.ts';
import { type PaxOverrides, parsePax } from './pax.ts';

const NO_PAYLOAD = Buffer.alloc(0);

/** True for an extension header, which describes the member after it: PAX, GNU long name, GNU long link. */
export function isExtensionFlag(flag: number): boolean {
  return flag === TYPE_FLAG.gnuLongName || flag === TYPE_FLAG.gnuLongLink || flag === TYPE_FLAG.pax;
}

/**
 * Collects the extension headers before one member. The last header of each kind wins, as in every tar reader; composefs-rs refuses
 * repeated headers.
 */
export class Extensions {
  longName: string | undefined;
  longLink: string | undefined;
  pax: PaxOverrides | undefined;
  count = 0;
  /** Offset of the first extension header in the tar. */
  offset = 0;
  #bytes = 0;
  #flag = 0;
  #payload: Buffer = NO_PAYLOAD;
  #payloadOffset = 0;
  #filled = 0;

  /**
   * Starts a header; `sizeBytes` of payload follow, then padding.
   * @throws FormatError TAR_EXTENSION_TOO_LARGE for all headers of one member together
   */
  begin(flag: number, sizeBytes: number, offset: number): void {
    if (this.count === 0) this.offset = offset;
    this.count += 1;
    this.#bytes += sizeBytes;
    if (this.#bytes > EXTENSIONS_BYTES_MAX) {
      const reason = `expected at most ${EXTENSIONS_BYTES_MAX} bytes before one member, found more`;
      failTar('TAR_EXTENSION_TOO_LARGE', 'extension headers', offset, reason);
    }
    this.#flag = flag;
    this.#payload = Buffer.alloc(sizeBytes);
    this.#payloadOffset = offset + TAR_BLOCK_BYTES;
    this.#filled = 0;
  }

  /** Appends the next bytes of payload; bytes after the payload are padding. */
  fill(bytes: Uint8Array): void {
    const part = bytes.subarray(0, this.#payload.length - this.#filled);
    this.#payload.set(part, this.#filled);
    this.#filled += part.length;
  }

  /** Completes the header. @throws FormatError TAR_PAX_MALFORMED */
  end(): void {
    const payload = this.#payload;
    this.#payload = NO_PAYLOAD;
    if (this.#flag === TYPE_FLAG.pax) {
      this.pax = parsePax(payload, this.#payloadOffset);
      return;
    }
    const nul = payload.indexOf(0);
    const text = payload.toString('latin1', 0, nul < 0 ? payload.length : nul);
    if (this.#flag === TYPE_FLAG.gnuLongName) this.longName = text;
    else this.longLink = text;
  }
}
