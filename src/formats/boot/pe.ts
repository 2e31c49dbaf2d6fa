import { FormatError } from '#base/errors';

/** Offset of the offset of the PE header, and the sizes of the structures after it. Source: oci-and-cli section 4.9; Microsoft PE format. */
const PE_OFFSET_AT = 0x3c;
const PE_MAGIC = Buffer.from('PE\0\0', 'latin1');
const COFF_BYTES = 20;
const SECTION_BYTES = 40;
/** Most sections that a PE file may have. Source: Microsoft PE format, COFF file header. */
const SECTIONS_MAX = 96;

/** True for a file that begins as a PE executable. */
export function isPe(bytes: Uint8Array): boolean {
  return coffAt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)) !== undefined;
}

/**
 * The content of a section of a PE executable, cut to its size in memory (`VirtualSize`).
 * @param what the file, for messages
 * @returns undefined when there is no such section
 * @throws FormatError BOOT_FILE_INVALID
 */
export function readPeSection(bytes: Uint8Array, name: string, what: string): Buffer | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const coff = coffAt(file);
  if (coff === undefined) throw invalid(what, 0, 'it is not a PE executable');
  requireBytes(file, coff, COFF_BYTES, what);
  const count = file.readUInt16LE(coff + 2);
  if (count > SECTIONS_MAX) throw invalid(what, coff, `it has ${count} sections`);
  const table = coff + COFF_BYTES + file.readUInt16LE(coff + 16);
  requireBytes(file, table, count * SECTION_BYTES, what);
  for (let index = 0; index < count; index += 1) {
    const at = table + index * SECTION_BYTES;
    if (file.toString('latin1', at, at + 8).replace(/\0+$/, '') !== name) continue;
    const sizeBytes = file.readUInt32LE(at + 8);
    const start = file.readUInt32LE(at + 20);
    requireBytes(file, start, sizeBytes, what);
    return file.subarray(start, start + sizeBytes);
  }
  return undefined;
}

function coffAt(file: Buffer): number | undefined {
  if (file.length < PE_OFFSET_AT + 4) return undefined;
  const at = file.readUInt32LE(PE_OFFSET_AT);
  const magic = file.subarray(at, at + PE_MAGIC.length);
  return magic.equals(PE_MAGIC) ? at + PE_MAGIC.length : undefined;
}

function requireBytes(file: Buffer, at: number, count: number, what: string): void {
  if (at + count <= file.length) return;
  throw invalid(what, at, `it ends after ${file.length} bytes, ${at + count} are needed`);
}

function invalid(what: string, offset: number, reason: string): FormatError {
  return new FormatError('BOOT_FILE_INVALID', `Cannot read ${what}: ${reason}`, { offset, what });
}
