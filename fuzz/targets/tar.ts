// Invariant: any bytes split alike for every cut, back into the same bytes, or give one FormatError; stored entries equal those of the first pass.
import assert from 'node:assert/strict';
import { type ByteString, concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import {
  checkTarEntry,
  encodeTarHeader,
  encodeTarPadding,
  readTarEntries,
  type StoredPart,
  TAR_END,
  type TarEntry,
  type TarMember,
  TarSplitter,
} from '#formats/tar';

/** Name of the target and of its folder of inputs. */
export const name = 'tar';

const ID = 'ab'.repeat(32) as ObjectId;

interface Heard {
  readonly parts: StoredPart[];
  readonly data: Uint8Array[];
  readonly entries: TarEntry[];
  readonly code: string | undefined;
}

/** Splits the bytes whole and in pieces, and reads them back from their stored form. */
export function run(bytes: Uint8Array): void {
  const whole = split(bytes, bytes.length + 1);
  const pieces = split(bytes, 97);
  assert.equal(pieces.code, whole.code);
  assert.deepEqual(pieces.entries, whole.entries);
  assert.ok(Buffer.from(concatBytes(pieces.data)).equals(concatBytes(whole.data)));
  if (whole.code !== undefined) return;
  assert.ok(Buffer.from(concatBytes(whole.data)).equals(bytes));
  const stored: TarEntry[] = [];
  const code = codeOf(() => {
    for (const { entry } of readTarEntries(whole.parts)) stored.push(entry);
  });
  if (code === undefined) assert.deepEqual(stored, whole.entries);
  for (const entry of whole.entries) checkRewritten(entry);
}

/** Valid members of every kind. */
export function seeds(): Uint8Array[] {
  const path = (text: string) => text as ByteString;
  const common = { mode: 0o644, uid: 1, gid: 2, mtimeSec: 3n };
  const sparse = { realSizeBytes: 9999, map: [{ offset: 99, sizeBytes: 70 }], mapBytes: 0 };
  const members: TarMember[] = [
    { ...common, type: 'file', path: path('/a'), sizeBytes: 5 },
    { ...common, type: 'file', path: path('/b'), sizeBytes: 700, mtimeSec: -1n, mtimeNsec: 5 },
    { ...common, type: 'file', path: path(`/${'long/'.repeat(60)}name`), sizeBytes: 65 },
    { ...common, type: 'file', path: path('/s'), sizeBytes: 70, sparse },
    { ...common, type: 'symlink', path: path('/l'), linkTarget: path('t'.repeat(200)) },
    { ...common, type: 'hardlink', path: path('/h'), linkTarget: path('/a') },
    { ...common, type: 'chr', path: path('/c'), rdevMajor: 1, rdevMinor: 3 },
    {
      ...common,
      type: 'directory',
      path: path('/d'),
      xattrs: new Map([[path('user.x'), Uint8Array.of(0, 255)]]),
    },
  ];
  const tars = members.map((member) => tarOf(member));
  return [...tars.map((tar) => concatBytes([tar, TAR_END])), concatBytes([...tars, TAR_END])];
}

function tarOf(member: TarMember): Uint8Array {
  const sizeBytes = member.sizeBytes ?? 0;
  const data = new Uint8Array(sizeBytes).fill(0x64);
  return concatBytes([encodeTarHeader(member), data, encodeTarPadding(sizeBytes)]);
}

/** Makes the checksum of every block right that looks like a header. */
export function repair(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    const block = copy.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return copy;
}

function split(bytes: Uint8Array, pieceBytes: number): Heard {
  const parts: StoredPart[] = [];
  const data: Uint8Array[] = [];
  const entries: TarEntry[] = [];
  const splitter = new TarSplitter();
  const sink = {
    inline: (piece: Uint8Array) => {
      const copy = new Uint8Array(piece);
      parts.push({ kind: 'inline', bytes: copy });
      data.push(copy);
    },
    externalStart: () => undefined,
    externalData: (piece: Uint8Array) => void data.push(new Uint8Array(piece)),
    externalEnd: () => void parts.push({ kind: 'external', id: ID }),
    entry: (entry: TarEntry) => void entries.push(entry),
  };
  const code = codeOf(() => {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      splitter.push(bytes.subarray(at, at + pieceBytes), sink);
    }
    splitter.end();
  });
  // What was heard before an error depends on the pieces; only the error must not.
  return code === undefined
    ? { parts, data, entries, code }
    : { parts: [], data: [], entries: [], code };
}

/** An entry that can be written is read back as it was. */
function checkRewritten(entry: TarEntry): void {
  let header: Uint8Array;
  try {
    checkTarEntry(entry);
    header = encodeTarHeader({ ...entry, sparse: undefined });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return;
  }
  const again: TarEntry[] = [];
  new TarSplitter().push(concatBytes([header, new Uint8Array(64)]), {
    inline: () => undefined,
    externalStart: (found) => void again.push(found),
    externalData: () => undefined,
    externalEnd: () => undefined,
    entry: (found) => void again.push(found),
  });
  const {
    typeFlag: _flag,
    writtenPath: _written,
    offset: _offset,
    sparse: _sparse,
    ...kept
  } = entry;
  const [found] = again;
  assert.ok(found);
  for (const [key, value] of Object.entries(kept)) {
    assert.deepEqual(found[key as keyof TarEntry], value, key);
  }
}

function codeOf(read: () => void): string | undefined {
  try {
    read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.code;
  }
  return undefined;
}
