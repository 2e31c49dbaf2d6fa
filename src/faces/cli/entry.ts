import { type ByteString, bytesOf, displayText, isPlainLine } from '#base/bytes';
import type { FileKind, ViewEntry } from '#work/browse';

const LETTER: Readonly<Record<FileKind, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  chr: 'c',
  blk: 'b',
  fifo: 'p',
  socket: 's',
};
/** Letters of `--type`, as find(1) has them. */
export const KIND_BY_LETTER: Readonly<Record<string, FileKind>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  c: 'chr',
  b: 'blk',
  p: 'fifo',
  s: 'socket',
};
const SPECIAL = [
  { bit: 0o4000, place: 2, with: 's', without: 'S' },
  { bit: 0o2000, place: 5, with: 's', without: 'S' },
  { bit: 0o1000, place: 8, with: 't', without: 'T' },
] as const;

/** Type and permissions as `ls -l` writes them, for example `-rwsr-xr-x`. */
export function formatMode(kind: FileKind, mode: number): string {
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'));
  for (const special of SPECIAL) {
    if ((mode & special.bit) === 0) continue;
    bits[special.place] = bits[special.place] === 'x' ? special.with : special.without;
  }
  return LETTER[kind] + bits.join('');
}

/** A time as RFC 3339 in UTC, to the nanosecond where there are any. */
export function formatTime(seconds: bigint, nanoseconds: number): string {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds}.${`${nanoseconds}`.padStart(9, '0')}`;
  const fraction = nanoseconds === 0 ? '' : `.${`${nanoseconds}`.padStart(9, '0')}`;
  return date.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}

/** A name for people: what a terminal would obey and what is not UTF-8 are written as `\xHH`. */
export function formatName(name: ByteString): string {
  const text = displayText(name);
  if (isPlain(name) && isPlainLine(text)) return text;
  return [...name]
    .map((character) => {
      const code = character.charCodeAt(0);
      const isShown = code >= 0x20 && code < 0x7f && character !== '\\';
      return isShown ? character : `\\x${code.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

function isPlain(name: ByteString): boolean {
  return Buffer.from(displayText(name), 'utf8').equals(bytesOf(name));
}

/** An entry as a JSON document; a path that is not UTF-8 also as hex, so that nothing is lost. */
export function entryDocument(entry: ViewEntry) {
  return {
    path: displayText(entry.path),
    ...(isPlain(entry.path) ? {} : { pathHex: bytesOf(entry.path).toString('hex') }),
    kind: entry.kind,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    mtime: formatTime(entry.mtimeSec, entry.mtimeNsec),
    linkCount: entry.linkCount,
    target: entry.target === undefined ? null : displayText(entry.target),
    rdev: entry.rdev,
    objectId: entry.objectId ?? null,
  };
}
