import { Crc64 } from '#base/bytes';

/** CRC-64/ISO polynomial, reflected. Source: ISO 3309; Go hash/crc64, ISO. */
const TABLES = Crc64.tablesOf({ high: 0xd8000000, low: 0 });

/** CRC-64/ISO of bytes that arrive in pieces; a tar-split stores it for every file. */
export class Crc64Iso {
  readonly #crc = new Crc64(TABLES);

  /** Adds the next bytes. */
  update(bytes: Uint8Array): void {
    this.#crc.update(bytes);
  }

  /** Returns the checksum of all bytes so far: 8 bytes, big-endian. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, this.#crc.finish());
    return bytes;
  }
}
