import { FormatError } from '#base/errors';

const MAGIC = Buffer.from('ANDROID!', 'latin1');
/** Offsets in the header of versions 0 to 2. Source: Android boot image header. */
const AT = { kernelSize: 8, pageSize: 36, version: 40 } as const;
const HEADER_BYTES = 44;
/** Page size of versions 3 and 4, whose headers do not state one. */
const PAGE_BYTES = 4096;
const VERSIONS = [2, 3, 4] as const;

/**
 * The kernel in an Android boot image.
 * @param what the file, for messages
 * @throws FormatError BOOT_FILE_INVALID, also for a header version that composefs-rs 0.9.4 does not accept
 */
export function requireAndroidKernel(bytes: Uint8Array, what: string): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!file.subarray(0, MAGIC.length).equals(MAGIC))
    throw invalid(what, 'it has no Android header');
  if (file.length < HEADER_BYTES) throw invalid(what, 'it ends inside of its header');
  const version = file.readUInt32LE(AT.version);
  if (!VERSIONS.some((known) => known === version)) {
    throw invalid(what, `its header has version ${version}, expected 2, 3 or 4`);
  }
  const pageBytes = version === 2 ? file.readUInt32LE(AT.pageSize) : PAGE_BYTES;
  const sizeBytes = file.readUInt32LE(AT.kernelSize);
  if (pageBytes < HEADER_BYTES || pageBytes + sizeBytes > file.length) {
    throw invalid(what, `it ends after ${file.length} bytes, inside of its kernel`);
  }
  return file.subarray(pageBytes, pageBytes + sizeBytes);
}

function invalid(what: string, reason: string): FormatError {
  return new FormatError('BOOT_FILE_INVALID', `Cannot read ${what}: ${reason}`, {
    offset: 0,
    what,
  });
}
