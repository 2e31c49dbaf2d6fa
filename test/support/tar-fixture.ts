import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** One member of a golden tar file, with what GNU tar wrote in pax headers. */
export interface TarFixtureMember {
  readonly bytes: Uint8Array;
  /** `0` file, `1` hard link, `2` link, `5` directory. */
  readonly type: string;
  readonly mode: number;
  readonly link: string;
  /** Extended attributes by name, as latin1 strings. */
  readonly xattrs: ReadonlyMap<string, string>;
}

const loaded = new Map<string, ReadonlyMap<string, TarFixtureMember>>();

/**
 * The members of a gzip-compressed tar below test/golden by path, without unpacking it (so no root is needed).
 * A deliberately small reader of its own: fixtures must not depend on the code under test.
 */
export function readTarFixture(name: string): ReadonlyMap<string, TarFixtureMember> {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const tar = gunzipSync(readFileSync(new URL(`../golden/${name}`, import.meta.url)));
  const members = new Map<string, TarFixtureMember>();
  let pax = new Map<string, string>();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number): string =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '');
    const sizeBytes = Number.parseInt(text(124, 12).trim() || '0', 8);
    const bytes = new Uint8Array(tar.subarray(at + 512, at + 512 + sizeBytes));
    const type = text(156, 1) || '0';
    if (type === 'x') pax = paxRecords(Buffer.from(bytes));
    else if (type === 'L' || type === 'K') {
      const value = Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '');
      pax.set(type === 'L' ? 'path' : 'linkpath', value);
    } else {
      const prefix = text(257, 6) === 'ustar' ? text(345, 155) : '';
      const path = pax.get('path') ?? [prefix, text(0, 100)].filter(Boolean).join('/');
      const link = pax.get('linkpath') ?? text(157, 100);
      members.set(path.replace(/\/$/, ''), {
        bytes: type === '1' ? (members.get(link)?.bytes ?? bytes) : bytes,
        type,
        mode: Number.parseInt(text(100, 8).trim(), 8),
        link,
        xattrs: xattrsOf(pax),
      });
      pax = new Map();
    }
    at += 512 + Math.ceil(sizeBytes / 512) * 512;
  }
  loaded.set(name, members);
  return members;
}

/** The files below a folder of a golden tar, by their path below that folder. */
export function readTarFolder(name: string, folder: string): Map<string, TarFixtureMember> {
  const files = new Map<string, TarFixtureMember>();
  for (const [path, member] of readTarFixture(name)) {
    if (path.startsWith(`${folder}/`) && member.type !== '5') {
      files.set(path.slice(folder.length + 1), member);
    }
  }
  return files;
}

function paxRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    const record = bytes.toString('latin1', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, string> {
  const xattrs = new Map<string, string>();
  for (const [key, value] of pax) {
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice('SCHILY.xattr.'.length), value);
  }
  return xattrs;
}
