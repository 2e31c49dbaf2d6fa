import { type ByteString, byteStringFromText, plainName } from '#base/bytes';
import type { Entry } from '#work/verbs';

const LETTER: Readonly<Record<Entry['kind'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  chr: 'c',
  blk: 'b',
  fifo: 'p',
  socket: 's',
};
const SPECIAL = [
  { bit: 0o4000, place: 2, with: 's', without: 'S' },
  { bit: 0o2000, place: 5, with: 's', without: 'S' },
  { bit: 0o1000, place: 8, with: 't', without: 'T' },
] as const;

/** Type and permissions as `ls -l` writes them, for example `-rwsr-xr-x`. */
export function formatMode({ kind, mode: octal }: Entry): string {
  const mode = Number.parseInt(octal, 8);
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'));
  for (const special of SPECIAL) {
    if ((mode & special.bit) === 0) continue;
    bits[special.place] = bits[special.place] === 'x' ? special.with : special.without;
  }
  return LETTER[kind] + bits.join('');
}

/** Major and minor of the kernel's 32-bit device number. Source: Linux kdev_t.h new_decode_dev. */
export function formatDevice(rdev: number): string {
  const major = (rdev & 0xfff00) >>> 8;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major},${minor}`;
}

/** The path of an entry, or its last component, as text. */
export function formatPath(entry: Entry, isWhole = true): string {
  const path = bytesOf(entry.path, entry.pathHex);
  const name = path.slice(path.lastIndexOf('/') + 1) as ByteString;
  return plainName(isWhole || name === '' ? path : name);
}

/** The target of a link after an arrow; empty for other files. */
export function formatTarget(entry: Entry): string {
  if (entry.target === null) return '';
  return ` -> ${plainName(bytesOf(entry.target, entry.targetHex))}`;
}

function bytesOf(text: string, hex: string | undefined): ByteString {
  if (hex === undefined) return byteStringFromText(text);
  return Buffer.from(hex, 'hex').toString('latin1') as ByteString;
}
