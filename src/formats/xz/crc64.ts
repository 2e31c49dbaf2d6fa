import { Crc64 } from '#base/bytes';

/** CRC-64/XZ polynomial (ECMA-182, reflected). Source: The .xz file format 1.2.0, section 6. */
const TABLES = Crc64.tablesOf({ high: 0xc96c5795, low: 0xd7870f42 });

/** Returns the CRC64 of bytes as a 64-bit number. */
export function crc64(bytes: Uint8Array): bigint {
  const crc = new Crc64(TABLES);
  crc.update(bytes);
  return crc.finish();
}
