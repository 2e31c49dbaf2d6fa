/** Tars with one oddity each: the ids and entries that the real cfsctl gave them, and where we decide otherwise on purpose. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { isOnecopyError } from '#base/errors';
import { computeVerity, VerityHasher } from '#formats/fsverity';
import { CONTENT_TYPES, openSplitstream, SplitstreamWriter } from '#formats/splitstream';
import { readTarEntries, TarSplitter } from '#formats/tar';
import type { Reading } from '#formats/tree';

interface OddTar {
  readonly name: string;
  readonly tar: string;
  readonly stream: string | null;
  readonly dumpfile: string | null;
  readonly error: string | null;
}

const ODD_TARS: OddTar[] = JSON.parse(
  readFileSync(new URL('../golden/tar/odd-headers.json', import.meta.url), 'utf8'),
);

/** Malformed headers that cfsctl reads past; we name the error instead. */
const WE_REFUSE: Readonly<Record<string, string>> = {
  'pax mtime junk frac': 'TAR_PAX_MALFORMED',
  'pax bad but unknown': 'TAR_PAX_MALFORMED',
  'pax g': 'TAR_PAX_MALFORMED',
  'pax ok_g': 'TAR_PAX_MALFORMED',
  'pax ok_g_ok': 'TAR_PAX_MALFORMED',
  'pax ok_nul_ok': 'TAR_PAX_MALFORMED',
  'pax neg': 'TAR_PAX_MALFORMED',
  'pax sp': 'TAR_PAX_MALFORMED',
  'pax tab': 'TAR_PAX_MALFORMED',
  'pax huge': 'TAR_PAX_MALFORMED',
  'pax nl': 'TAR_PAX_MALFORMED',
  'pax badsizeafter': 'TAR_PAX_MALFORMED',
  'pax sizethenbad': 'TAR_PAX_MALFORMED',
  'mtime f': 'TAR_PAX_MALFORMED',
  'mtime f2': 'TAR_PAX_MALFORMED',
  'mtime f9': 'TAR_PAX_MALFORMED',
  'mtime fplus': 'TAR_PAX_MALFORMED',
  'mtime fsp': 'TAR_PAX_MALFORMED',
  'octal k': 'TAR_FIELD_INVALID',
  'octal l': 'TAR_FIELD_INVALID',
  'b256 mtime big': 'TAR_FIELD_INVALID',
};

/** Tars that cfsctl refuses and that have one clear meaning. */
const WE_ACCEPT = new Set([
  'size on S',
  'pax empty path',
  'pax empty size',
  'pax empty mtime',
  'pax empty uid',
  'pax mtime -0.0',
  'pax nonutf',
  'mtime neg',
  'one zero',
  'two pax',
  'no padding',
  'signed checksum',
  'dev on file junk',
  'dev big',
]);

/** Entries that differ on purpose: a GNU long name ends at its first NUL. */
const OTHER_ENTRIES = new Set(['L two nuls', 'L many nul']);

/**
 * What the standard reading makes of tars that cfsctl reads differently: of data behind a link it says that it is no header; ids over 32
 * bits it refuses.
 */
const OTHER_READING: Readonly<Record<string, unknown>> = {
  'b256 uid big': 'TAR_FIELD_INVALID',
  'gid big': 'TAR_FIELD_INVALID',
  'pax uid 2^32+1': 'TAR_FIELD_INVALID',
  'size on 1': 'TAR_FIELD_INVALID',
  'size on 2': 'TAR_FIELD_INVALID',
  'size on 3': 'TAR_FIELD_INVALID',
  'size on 4': 'TAR_FIELD_INVALID',
  'size on 5': 'TAR_FIELD_INVALID',
  'size on 6': 'TAR_FIELD_INVALID',
  'pax size on dir': 'TAR_FIELD_INVALID',
  'ustar version 2 prefix': ['/pre/y 644 0 0 0.0 '],
  gnu: ['/zzz/x 644 0 0 0.0 '],
};

/** Names that cfsctl prints and that no file can have. */
const BAD_NAMES: Readonly<Record<string, string>> = {
  dotdot: 'TAR_PATH_ESCAPES',
  'path nul': 'TAR_PATH_INVALID',
};

function streamOf(tar: Uint8Array, reading: Reading = 'cfsctl'): Uint8Array {
  const writer = new SplitstreamWriter({
    algorithm: 'sha256',
    contentType: CONTENT_TYPES.ociLayer,
  });
  const hasher = new VerityHasher('sha256');
  let sizeBytes = 0;
  const splitter = new TarSplitter(reading);
  splitter.push(tar, {
    inline: (bytes) => writer.writeInline(bytes),
    externalStart: (entry) => {
      sizeBytes = entry.sizeBytes;
    },
    externalData: (bytes) => hasher.update(bytes),
    externalEnd: () => writer.writeExternal(hasher.finish(), sizeBytes),
  });
  splitter.end();
  return writer.finishSync();
}

/** Path, owner and time of every entry, as a dumpfile writes them. */
function entryFields(stream: Uint8Array, reading: Reading = 'cfsctl'): string[] {
  const { parts } = openSplitstream(stream, { algorithm: 'sha256' });
  return [...readTarEntries(parts(), reading)].map(({ entry }) => {
    const path = entry.writtenPath === '/' ? '-' : entry.writtenPath;
    if (entry.type === 'hardlink') return `${path} @ ${entry.linkTarget}`;
    const mode = entry.mode.toString(8);
    const owner = `${entry.uid} ${entry.gid}`;
    return `${path} ${mode} ${owner} ${entry.mtimeSec}.${entry.mtimeNsec} ${[...entry.xattrs.keys()]}`;
  });
}

/** The same fields out of the lines of the dumpfile; its mode may hold bits that are no permissions. */
function dumpFields(dumpfile: string): string[] {
  const lines = dumpfile.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [path, , mode = '', , uid, gid, , mtime, payload = '', , , ...xattrs] = line.split(' ');
    // Links are compared by their normalised target; one without a target is ours to call the root.
    if (mode.startsWith('@')) {
      const target = payload === '-' ? '/' : payload.replace(/\/\.?(?=\/)/g, '');
      return `${path} @ ${target}`;
    }
    const bits = (Number.parseInt(mode, 8) % 0o10000).toString(8);
    return `${path} ${bits} ${uid} ${gid} ${mtime} ${xattrs.map((pair) => pair.split('=')[0])}`;
  });
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (isOnecopyError(error)) return error.code;
    throw error;
  }
  return undefined;
}

for (const { name, tar, stream, dumpfile } of ODD_TARS) {
  const bytes = zstdDecompressSync(Buffer.from(tar, 'base64'));
  const refusal = WE_REFUSE[name];

  if (refusal !== undefined) {
    test(`${name}: cfsctl reads past it, onecopy refuses it as ${refusal}`, () => {
      assert.ok(stream !== null);
      assert.equal(
        codeOf(() => streamOf(bytes)),
        refusal,
      );
    });
  } else if (stream === null) {
    const accepted = WE_ACCEPT.has(name);
    test(`${name}: cfsctl refuses it, onecopy ${accepted ? 'reads' : 'refuses'} it`, () => {
      const code = codeOf(() => streamOf(bytes));
      assert.equal(code === undefined, accepted, code ?? 'accepted');
    });
  } else {
    test(`${name}: the stream has the id of cfsctl`, () => {
      assert.equal(computeVerity(streamOf(bytes), 'sha256'), stream);
    });
    test(`${name}: the entries equal those that cfsctl printed`, () => {
      const ours = streamOf(bytes);
      const badName = BAD_NAMES[name];
      if (dumpfile === null) {
        assert.equal(
          codeOf(() => entryFields(ours)),
          'TAR_TYPE_UNKNOWN',
        );
      } else if (badName !== undefined)
        assert.equal(
          codeOf(() => entryFields(ours)),
          badName,
        );
      else if (OTHER_ENTRIES.has(name)) {
        assert.notEqual(`${entryFields(ours)}`, `${dumpFields(dumpfile)}`);
      } else assert.deepEqual(entryFields(ours), dumpFields(dumpfile));
    });
  }
}

test('only these tars differ between the standard reading and that of cfsctl', () => {
  const parting: Record<string, unknown> = {};
  for (const { name, tar, dumpfile } of ODD_TARS) {
    if (dumpfile === null || BAD_NAMES[name] !== undefined || WE_REFUSE[name] !== undefined)
      continue;
    const bytes = zstdDecompressSync(Buffer.from(tar, 'base64'));
    const theirs = entryFields(streamOf(bytes));
    let ours: unknown = codeOf(() => entryFields(streamOf(bytes, 'standard'), 'standard'));
    ours ??= entryFields(streamOf(bytes, 'standard'), 'standard');
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) parting[name] = ours;
  }
  assert.deepEqual(parting, OTHER_READING);
});
