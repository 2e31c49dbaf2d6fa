import { TAR_BLOCK_BYTES, TAR_FIELDS } from './layout.ts';

/** Largest size that eleven octal digits hold; beyond it GNU base-256 is used, which every current reader knows. */
const OCTAL_MAX = 8 ** 11 - 1;

/**
 * Header blocks of a member of an archive that we write: a regular file, mode 0644, owner 0, time 0. Names over 100 bytes (SHA-512
 * blobs) get a PAX record. Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header".
 */
export function encodeMemberHeader(name: string, sizeBytes: number): Uint8Array {
  if (name.length <= TAR_FIELDS.name.length) return encodeBlock(name, sizeBytes, '0');
  const record = Buffer.alloc(TAR_BLOCK_BYTES);
  const length = record.write(encodePaxRecord('path', name));
  const header = encodeBlock('PaxHeader', length, 'x');
  return Buffer.concat([header, record, encodeBlock(name.slice(0, 100), sizeBytes, '0')]);
}

function encodeBlock(name: string, sizeBytes: number, typeFlag: string): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name, TAR_FIELDS.name.offset, 'latin1');
  block.write('0000644\x000000000\x000000000', 100, 'latin1');
  const size = TAR_FIELDS.size.offset;
  if (sizeBytes <= OCTAL_MAX) block.write(sizeBytes.toString(8).padStart(11, '0'), size);
  else block.writeBigUInt64BE(BigInt(sizeBytes), size + 4);
  if (sizeBytes > OCTAL_MAX) block[size] = 0x80;
  block.write('00000000000', 136);
  block.write(typeFlag, TAR_FIELDS.typeFlag.offset);
  block.write('ustar\x0000', TAR_FIELDS.magic.offset, 'latin1');
  const { offset, length } = TAR_FIELDS.checksum;
  block.fill(0x20, offset, offset + length);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, offset, 'latin1');
  return block;
}

/** `LENGTH KEY=VALUE\n`, the length counting its own digits. */
function encodePaxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  // The digits of the length may themselves make it one digit longer.
  if (rest.length + String(length).length > length) length += 1;
  return `${length}${rest}`;
}
