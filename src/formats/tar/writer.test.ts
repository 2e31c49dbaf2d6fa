import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { type ErrorCode, hasCode } from '#base/errors';
import {
  checkTarEntry,
  encodeTarHeader,
  encodeTarPadding,
  INLINE_BYTES_MAX,
  readTarEntries,
  type StoredPart,
  TAR_END,
  type TarEntry,
  type TarMember,
  TarSplitter,
  writeTar,
} from './index.ts';

const ID = 'ab'.repeat(32) as ObjectId;

function bytesText(text: string): ByteString {
  return text as ByteString;
}

/** The entries of a tar as the splitter reports them, with their inline content. */
function entriesOf(tar: Uint8Array): { entry: TarEntry; content: string }[] {
  const entries: { entry: TarEntry; content: string }[] = [];
  const splitter = new TarSplitter();
  splitter.push(tar, {
    inline: () => undefined,
    externalStart: () => undefined,
    externalData: () => undefined,
    externalEnd: () => undefined,
    entry: (entry, content) => {
      const text = content.kind === 'inline' ? Buffer.from(content.bytes).toString('latin1') : '';
      entries.push({ entry, content: text });
    },
  });
  splitter.end();
  return entries;
}

/** A member with its data, its padding and the end of the tar. */
function tarOf(member: TarMember): Uint8Array {
  const sizeBytes = member.sizeBytes ?? 0;
  return concatBytes([
    encodeTarHeader(member),
    new Uint8Array(sizeBytes).fill(0x64),
    encodeTarPadding(sizeBytes),
    TAR_END,
  ]);
}

const component = fc
  .oneof(
    fc.string({
      unit: fc.constantFrom('a', 'b', '.', ' ', '\xff', '\xc3', '\n', '='),
      minLength: 1,
      maxLength: 12,
    }),
    fc.nat({ max: 255 }).map((length) => 'n'.repeat(length + 1)),
  )
  .filter((name) => name !== '.' && name !== '..');
const path = fc
  .array(component, { minLength: 1, maxLength: 5 })
  .map((parts) => bytesText(`/${parts.join('/')}`));
const size = fc.oneof(
  fc.nat({ max: 200 }),
  fc.constantFrom(0, 64, 65, 8 ** 11 - 1, 8 ** 11, 2 ** 50),
);
const id = fc.oneof(fc.nat({ max: 3000 }), fc.constantFrom(8 ** 7 - 1, 8 ** 7, 2 ** 32 - 1));
const seconds = fc.oneof(
  fc.bigInt({ min: -5n, max: 5n }),
  fc.constantFrom(8n ** 11n - 1n, 8n ** 11n, -(2n ** 63n), 2n ** 63n - 1n),
);

test('reading a written archive gives every member', () => {
  const member = fc.record({
    type: fc.constantFrom('file', 'hardlink', 'symlink', 'chr', 'blk', 'directory', 'fifo'),
    path,
    linkTarget: path,
    sizeBytes: size,
    mode: fc.nat({ max: 0o7777 }),
    uid: id,
    gid: id,
    mtimeSec: seconds,
    mtimeNsec: fc.oneof(fc.constant(0), fc.nat({ max: 999_999_999 })),
    rdevMajor: fc.constantFrom(0, 8, 4095, 8 ** 7, 2 ** 32 - 1),
    rdevMinor: fc.nat({ max: 2 ** 20 }),
    xattrs: fc.dictionary(
      fc.constantFrom('user.a', 'user.\xff', 'security.selinux'),
      fc.uint8Array({ maxLength: 30 }),
    ),
  } as const);
  fc.assert(
    fc.property(member, (made) => {
      const hasTarget = made.type === 'hardlink' || made.type === 'symlink';
      const isDevice = made.type === 'chr' || made.type === 'blk';
      const full = {
        ...made,
        sizeBytes: made.type === 'file' ? made.sizeBytes : 0,
        linkTarget: hasTarget ? made.linkTarget : bytesText(''),
        rdevMajor: isDevice ? made.rdevMajor : 0,
        rdevMinor: isDevice ? made.rdevMinor : 0,
        xattrs: new Map(Object.entries(made.xattrs)) as Map<ByteString, Uint8Array>,
      };
      const entry = headerEntry(encodeTarHeader(full));
      const { typeFlag: _flag, writtenPath: _written, offset, sparse, difference, ...rest } = entry;
      assert.deepEqual(rest, full);
      assert.deepEqual([offset, sparse, difference], [0, undefined, undefined]);
    }),
    { numRuns: 300 },
  );
});

/** The entry of a header alone, without its payload. */
function headerEntry(header: Uint8Array): TarEntry {
  const entries: TarEntry[] = [];
  new TarSplitter().push(concatBytes([header, Buffer.alloc(INLINE_BYTES_MAX)]), {
    inline: () => undefined,
    externalStart: (entry) => void entries.push(entry),
    externalData: () => undefined,
    externalEnd: () => undefined,
    entry: (entry) => void entries.push(entry),
  });
  const [entry] = entries;
  assert.ok(entry);
  return entry;
}

test('a member that fits a ustar header gets no PAX header', () => {
  const member = {
    type: 'file',
    mode: 0o644,
    path: bytesText(`/${'d'.repeat(150)}/${'f'.repeat(100)}`),
  } as const;
  assert.equal(encodeTarHeader(member).length, 512);
  const longer = { ...member, path: bytesText(`${member.path}x`) };
  assert.equal(encodeTarHeader(longer).length, 3 * 512);
});

for (const [what, member] of [
  ['an empty path', { type: 'file', path: '', mode: 0 }],
  ['a NUL in the path', { type: 'file', path: 'a\0b', mode: 0 }],
  ['a symlink without target', { type: 'symlink', path: 'a', mode: 0 }],
  ['a hard link without target', { type: 'hardlink', path: 'a', mode: 0 }],
  ['an unknown type', { type: 'unknown', path: 'a', mode: 0 }],
  [
    'an xattr name with =',
    { type: 'file', path: 'a', mode: 0, xattrs: new Map([['a=b', new Uint8Array(1)]]) },
  ],
  [
    'too many xattr bytes',
    { type: 'file', path: 'a', mode: 0, xattrs: new Map([['a', new Uint8Array(2 ** 20)]]) },
  ],
] as const) {
  test(`a member with ${what} cannot be written`, () => {
    assert.throws(
      () => encodeTarHeader(member as unknown as TarMember),
      (error) => hasCode(error, 'TAR_NOT_ENCODABLE'),
    );
  });
}

test('writeTar writes members, padding and end, and refuses content of a wrong size', async () => {
  const member = { type: 'file', path: bytesText('/f'), mode: 0o644, sizeBytes: 5 } as const;
  const write = async (text: string) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of writeTar([{ member, content: [Buffer.from(text)] }]))
      pieces.push(piece);
    return concatBytes(pieces);
  };
  const tar = await write('hello');
  assert.equal(tar.length, 512 + 512 + 1024);
  assert.equal(entriesOf(tar)[0]?.content, 'hello');
  for (const text of ['hell', 'hello!']) {
    await assert.rejects(write(text), (error) => hasCode(error, 'TAR_SIZE_MISMATCH'));
  }
});

test('GNU tar lists a written archive with nanoseconds, long names and ids', () => {
  const members: TarMember[] = [
    { type: 'directory', path: bytesText('/d'), mode: 0o755, uid: 7, gid: 8, mtimeSec: 5n },
    {
      type: 'file',
      path: bytesText(`/d/${'l'.repeat(200)}`),
      mode: 0o4711,
      uid: 4_000_000_000,
      gid: 70_000,
      mtimeSec: -2n,
      mtimeNsec: 500_000_000,
      sizeBytes: 70,
    },
    { type: 'symlink', path: bytesText('/s'), linkTarget: bytesText('d/x'), mode: 0o777 },
  ];
  const tar = concatBytes([...members.map((member) => tarOf(member).subarray(0, -1024)), TAR_END]);
  const args = ['--numeric-owner', '--full-time', '--utc', '-tvf', '-'];
  const { stdout, stderr, status } = spawnSync('tar', args, { input: tar, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^drwxr-xr-x 7\/8 +0 1970-01-01 00:00:05 +d\/$/);
  assert.match(
    lines[1] ?? '',
    // The time is not compared: GNU tar 1.34 lists times before 1970 with the wrong fraction, but unpacks them correctly.
    /^-rws--x--x 4000000000\/70000 +70 \S+ \S+ d\/l{200}$/,
  );
  assert.match(lines[2] ?? '', /^lrwxrwxrwx 0\/0 +0 1970-01-01 00:00:00 +s -> d\/x$/);
});

test('sparse members of GNU tar give the same map in every format version', () => {
  inTempDir((dir) => {
    const mebi = 2 ** 20;
    const runs = [0, 1, 2, 3, 4, 5, 6].map((index) => ({ offset: index * mebi, sizeBytes: 4096 }));
    const file = openSync(`${dir}/f`, 'w');
    for (const { offset } of runs) writeSync(file, Buffer.alloc(4096, 'x'), 0, 4096, offset);
    ftruncateSync(file, 9_000_000);
    closeSync(file);
    const forms = ['--sparse-version=0.0', '--sparse-version=0.1', '--sparse-version=1.0'];
    for (const options of [['--format=gnu'], ...forms.map((form) => ['--format=pax', form])]) {
      const args = ['-cS', ...options, 'f'];
      const { stdout, status } = spawnSync('tar', args, { cwd: dir, maxBuffer: 16 * mebi });
      assert.equal(status, 0);
      const entry = entriesOf(stdout)[0]?.entry;
      const { path: name, sizeBytes } = entry ?? {};
      assert.deepEqual(
        [name, sizeBytes, entry?.sparse?.realSizeBytes],
        ['/f', 7 * 4096, 9_000_000],
      );
      assert.deepEqual(entry?.sparse?.map, runs, options.join(' '));
    }
  });
});

test('GNU tar unpacks a written time before 1970 correctly', () => {
  inTempDir((dir) => {
    const times = { mtimeSec: -2n, mtimeNsec: 500_000_000 };
    const tar = tarOf({ type: 'file', path: bytesText('/f'), mode: 0o644, ...times });
    assert.equal(spawnSync('tar', ['-xf', '-'], { cwd: dir, input: tar }).status, 0);
    assert.equal(statSync(`${dir}/f`, { bigint: true }).mtimeNs, -1_500_000_000n);
  });
});

/** Calls `run` with a temporary directory, which is removed afterwards. */
function inTempDir(run: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'onecopy-tar-'));
  try {
    run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test('GNU tar unpacks written sparse members correctly', () => {
  inTempDir((dir) => {
    const map = [{ offset: 50_000, sizeBytes: 100 }];
    const sparse = { realSizeBytes: 100_000, map, mapBytes: 0 };
    const path = bytesText('/f');
    const tar = tarOf({ type: 'file', path, mode: 0o644, sizeBytes: 100, sparse });
    assert.deepEqual(entriesOf(tar)[0]?.entry.sparse, { ...sparse, mapBytes: 512 });
    assert.equal(spawnSync('tar', ['-xf', '-'], { cwd: dir, input: tar }).status, 0);
    const content = Buffer.alloc(100_000);
    content.fill('d', 50_000, 50_100);
    assert.ok(content.equals(readFileSync(`${dir}/f`)));
  });
});

function sparseMember(map: readonly (readonly [number, number])[], real: number, stored: number) {
  const runs = map.map(([offset, sizeBytes]) => ({ offset, sizeBytes }));
  const sparse = { realSizeBytes: real, map: runs, mapBytes: 0 };
  return tarOf({ type: 'file', path: bytesText('f'), mode: 0, sizeBytes: stored, sparse });
}

for (const [what, tar] of [
  [
    'runs in the wrong order',
    sparseMember(
      [
        [500, 10],
        [100, 10],
      ],
      1000,
      20,
    ),
  ],
  [
    'runs that overlap',
    sparseMember(
      [
        [100, 10],
        [105, 10],
      ],
      1000,
      20,
    ),
  ],
  ['a run past the real size', sparseMember([[995, 10]], 1000, 10)],
  ['less data than its map', sparseMember([[0, 10]], 1000, 5)],
  ['more data than its map', sparseMember([[0, 10]], 1000, 15)],
] as const) {
  test(`a sparse member with ${what} is refused`, () => {
    assert.throws(
      () => entriesOf(tar),
      (error) => hasCode(error, 'TAR_SPARSE_INVALID'),
    );
  });
}

test('empty runs of a sparse map are omitted', () => {
  const [found] = entriesOf(
    sparseMember(
      [
        [0, 10],
        [1000, 0],
      ],
      1000,
      10,
    ),
  );
  assert.deepEqual(found?.entry.sparse?.map, [{ offset: 0, sizeBytes: 10 }]);
});

/** A tar as stored in a splitstream: chunks of at most `pieceBytes` inline bytes, large payloads as objects. */
function stored(tar: Uint8Array, pieceBytes = 1000): StoredPart[] {
  const parts: StoredPart[] = [];
  const splitter = new TarSplitter();
  splitter.push(tar, {
    inline: (bytes) => {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        parts.push({ kind: 'inline', bytes: bytes.slice(at, at + pieceBytes) });
      }
    },
    externalStart: () => undefined,
    externalData: () => undefined,
    externalEnd: () => void parts.push({ kind: 'external', id: ID }),
  });
  splitter.end();
  return parts;
}

test('reading a stored tar gives the entries of the first pass, with objects for large payloads', () => {
  const members = [0, 5, 64, 65, 2000].map((sizeBytes) => ({
    type: 'file' as const,
    path: bytesText(`/f${sizeBytes}`),
    mode: 0o644,
    mtimeNsec: sizeBytes,
    sizeBytes,
  }));
  const tar = concatBytes([...members.map((member) => tarOf(member).subarray(0, -1024)), TAR_END]);
  const first = entriesOf(tar);
  for (const pieceBytes of [1, 511, 512, 1_000_000]) {
    const entries = [...readTarEntries(stored(tar, pieceBytes))];
    assert.deepEqual(
      entries.map(({ entry }) => entry),
      first.map(({ entry }) => entry),
    );
    assert.deepEqual(
      entries.map(({ content }) => (content.kind === 'inline' ? content.bytes.length : content)),
      [0, 5, 64, ...[65, 2000].map((sizeBytes) => ({ kind: 'external', id: ID, sizeBytes }))],
    );
  }
});

test('a stored tar with a small payload as an object, or a large one inline, is refused', () => {
  const large = tarOf({ type: 'file', path: bytesText('f'), mode: 0, sizeBytes: 65 });
  const small = tarOf({ type: 'file', path: bytesText('f'), mode: 0, sizeBytes: 64 });
  const object: StoredPart = { kind: 'external', id: ID };
  const inline = (bytes: Uint8Array): StoredPart => ({ kind: 'inline', bytes });
  for (const parts of [
    [inline(large)],
    [inline(small.slice(0, 512)), object, inline(small.slice(576))],
    [object],
    [inline(large.slice(0, 512)), object, object],
    [inline(small), object],
  ]) {
    assert.throws(
      () => [...readTarEntries(parts)],
      (error) => hasCode(error, 'TAR_CONTENT_FORM'),
    );
  }
  assert.throws(
    () => [...readTarEntries([inline(large.slice(0, 512))])],
    (error) => hasCode(error, 'TAR_TRUNCATED'),
  );
});

test('entries that cannot become files are refused with an error code', () => {
  const [good] = entriesOf(
    tarOf({ type: 'hardlink', path: bytesText('/a..b'), linkTarget: bytesText('..c'), mode: 0 }),
  );
  assert.ok(good);
  checkTarEntry(good.entry);
  const refuses = (change: Partial<TarEntry>, code: ErrorCode) =>
    assert.throws(
      () => checkTarEntry({ ...good.entry, ...change }),
      (error) => hasCode(error, code),
    );
  refuses({ type: 'unknown' }, 'TAR_TYPE_UNKNOWN');
  refuses({ path: bytesText('/a/../b') }, 'TAR_PATH_ESCAPES');
  refuses({ path: bytesText('/..') }, 'TAR_PATH_ESCAPES');
  refuses({ linkTarget: bytesText('/../x') }, 'TAR_PATH_ESCAPES');
  refuses({ path: bytesText('/a\0') }, 'TAR_PATH_INVALID');
  refuses({ type: 'symlink', linkTarget: bytesText('a\0') }, 'TAR_PATH_INVALID');
  checkTarEntry({ ...good.entry, type: 'symlink', linkTarget: bytesText('../../x') });
});
