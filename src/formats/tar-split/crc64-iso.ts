import { Crc64 } from '#base/bytes';

/** CRC-64/ISO polynomial, reflected. Source: ISO 3309; Go hash/crc64, ISO. */
const TABLES = Crc64.tablesOf({ high: 0xd8000000, low: 0 });

/** CRC-64/ISO of bytes that come in pieces: what a tar-split keeps of every file. */
export class Crc64Iso {
  readonly #crc = new Crc64(TABLES);

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    this.#crc.update(bytes);
  }

  /** The checksum of all bytes so far: 8 bytes, big-endian. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, this.#crc.finish());
    return bytes;
  }
}
