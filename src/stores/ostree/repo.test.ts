import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  encodeDirtree,
  type MetadataKind,
  parseCommit,
  parseDirmeta,
  parseDirtree,
  type SizedFileHeader,
} from '#formats/ostree';
import { needs } from '../../../test/support/capability.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { type OstreeFixture, unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { parseConfig } from './config.ts';
import { initOstreeRepo, isOstreeRepo, type OstreeRepo, openOstreeRepo } from './repo.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;
const USER_ONLY_V1 =
  'db342c3294105a0a4fe59075cfaf0eeaabaff31a89d1f97da25c8ff3fe37acc6' as OstreeChecksum;

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini', 'r-corrupt', 'r-partial', 'r-collection');
});
after(() => fixture[Symbol.dispose]());

interface Visitor {
  metadata?(kind: MetadataKind, checksum: OstreeChecksum, bytes: Uint8Array): void;
  file?(checksum: OstreeChecksum): Promise<void>;
}

function found<T>(value: T | undefined, checksum: OstreeChecksum, kind: string): T {
  if (value !== undefined) return value;
  throw new NotFoundError('OSTREE_OBJECT_MISSING', 'Cannot find object', { checksum, kind });
}

/** Walks a commit, every object once, children before parents. */
async function walk(repo: OstreeRepo, commit: OstreeChecksum, visitor: Visitor): Promise<void> {
  const seen = new Set<string>();
  const metadata = (kind: MetadataKind, checksum: OstreeChecksum): Uint8Array => {
    const bytes = found(repo.readMetadata(kind, checksum), checksum, kind);
    if (kind === 'dirmeta') parseDirmeta(bytes);
    return bytes;
  };
  const directory = async (tree: OstreeChecksum, meta: OstreeChecksum): Promise<void> => {
    const bytes = metadata('dirtree', tree);
    const dirtree = parseDirtree(bytes);
    for (const { checksum } of dirtree.files) {
      if (seen.has(checksum)) continue;
      seen.add(checksum);
      await visitor.file?.(checksum);
    }
    for (const entry of dirtree.directories) await directory(entry.tree, entry.meta);
    const owner = metadata('dirmeta', meta);
    visitor.metadata?.('dirtree', tree, bytes);
    visitor.metadata?.('dirmeta', meta, owner);
  };
  const bytes = metadata('commit', commit);
  const { rootTree, rootMeta } = parseCommit(bytes);
  await directory(rootTree, rootMeta);
  visitor.metadata?.('commit', commit, bytes);
}

async function verify(repo: OstreeRepo, commit: OstreeChecksum): Promise<number> {
  let files = 0;
  await walk(repo, commit, {
    file: async (checksum) => {
      using file = found(repo.openFile(checksum), checksum, 'file');
      await file.verify();
      files++;
    },
  });
  return files;
}

/** Copies a commit with its ref into another repository. */
async function copyCommit(
  from: OstreeRepo,
  to: OstreeRepo,
  commit: OstreeChecksum,
  ref: string,
  asPieces: boolean,
): Promise<void> {
  using transaction = await to.begin();
  await walk(from, commit, {
    metadata: (kind, checksum, bytes) => void transaction.writeMetadata(kind, checksum, bytes),
    file: async (checksum) => {
      using file = found(from.openFile(checksum), checksum, 'file');
      const content =
        file.plain === undefined || asPieces ? { pieces: file.content() } : { file: file.plain };
      await transaction.writeFile(checksum, file.header, content);
    },
  });
  transaction.setRef(ref, commit);
  transaction.commit();
}

for (const name of ['archive', 'bare', 'bare-user', 'bare-split-xattrs']) {
  test(`every object of a ${name} repository verifies`, async (t) => {
    if (!needs(t, 'root')) return;
    using repo = openOstreeRepo(join(fixture.path, 'fxmini', `r-${name}`));
    assert.equal(repo.mode, name);
    assert.equal(repo.refs.resolveForPull('test/v1'), V1);
    assert.equal(repo.refs.resolveForPull('heads/test/main'), V2);
    assert.equal(await verify(repo, V1), 36);
    assert.equal(await verify(repo, V2), 38);
    const commits = [...repo.listObjects()].filter(({ kind }) => kind === 'commit');
    assert.deepEqual(commits.map(({ checksum }) => checksum).sort(), [V1, V2]);
  });
}

test('every object of a bare-user-only repository verifies', async (t) => {
  if (!needs(t, 'root')) return;
  using repo = openOstreeRepo(join(fixture.path, 'fxmini/r-bare-user-only'));
  assert.ok((await verify(repo, USER_ONLY_V1)) > 30);
});

for (const mode of ['archive', 'bare', 'bare-user'] as const) {
  for (const from of ['archive', 'bare', 'bare-user', 'bare-split-xattrs']) {
    test(`a commit copied from ${from} to ${mode} passes ostree fsck and has the same file list`, async (t) => {
      if (!needs(t, 'root', 'tool:ostree')) return;
      using source = openOstreeRepo(join(fixture.path, 'fxmini', `r-${from}`));
      const path = join(fixture.path, `copy-${from}-${mode}`);
      using target = initOstreeRepo(path, { mode });
      await copyCommit(source, target, V2, 'test/main', from === 'bare-user');
      await copyCommit(source, target, V1, 'test/v1', false);
      assert.deepEqual(readdirSync(join(path, 'tmp')), []);
      const fsck = spawnSync('ostree', ['fsck', `--repo=${path}`], { encoding: 'utf8' });
      assert.equal(fsck.status, 0, fsck.stderr);
      const list = (repo: string) =>
        execFileSync('ostree', ['ls', '-RXC', `--repo=${repo}`, 'test/main'], { encoding: 'utf8' });
      assert.equal(list(path), list(join(fixture.path, 'fxmini/r-archive')));
      assert.equal(await verify(target, V2), 38);
      const modes = (repo: string) => physicalState(join(repo, 'objects'));
      if (mode !== 'archive') {
        assert.deepEqual(modes(path), modes(join(fixture.path, 'fxmini', `r-${mode}`)));
      }
    });
  }
}

/** Mode, owner, size and, for content, time of every object: what the mode of a repository fixes. */
function physicalState(objects: string): string[] {
  const format = '%P %y %m %U:%G %s %Ts %l\\n';
  const lines = execFileSync(
    'find',
    [objects, '-type', 'f', '-printf', format, '-o', '-type', 'l', '-printf', format],
    {
      encoding: 'utf8',
    },
  ).split('\n');
  return lines
    .filter((line) => line.includes('.file '))
    .map((line) => (/ l /.test(line) ? line.replace(/ [0-9.]+ (\S*)$/, ' $1') : line))
    .sort();
}

test('a bare-user-only repository accepts objects that it can hold, and refuses others before writing', async (t) => {
  if (!needs(t, 'root', 'tool:ostree')) return;
  const path = join(fixture.path, 'copy-user-only');
  using target = initOstreeRepo(path, { mode: 'bare-user-only' });
  {
    using source = openOstreeRepo(join(fixture.path, 'fxmini/r-bare-user-only'));
    await copyCommit(source, target, USER_ONLY_V1, 'u', false);
  }
  assert.equal(spawnSync('ostree', ['fsck', `--repo=${path}`]).status, 0);
  using source = openOstreeRepo(join(fixture.path, 'fxmini/r-archive'));
  const before = readdirSync(join(path, 'tmp'));
  await assert.rejects(copyCommit(source, target, V1, 'v', false), { code: 'OSTREE_FILE_UNFIT' });
  assert.equal(target.refs.read('v'), undefined);
  assert.deepEqual(readdirSync(join(path, 'tmp')), before);
  const base: SizedFileHeader = {
    uid: 0,
    gid: 0,
    mode: 0o100644,
    target: '' as ByteString,
    xattrs: [],
    sizeBytes: 0,
  };
  using transaction = await target.begin();
  const xattrs = [{ name: 'user.a' as ByteString, value: new Uint8Array(1) }];
  for (const change of [
    { uid: 1 },
    { gid: 1 },
    { mode: 0o104755 },
    { mode: 0o100777 },
    { xattrs },
  ]) {
    const header = { ...base, ...change };
    await assert.rejects(
      transaction.writeFile(computeFileChecksum(header), header, { bytes: new Uint8Array(0) }),
      { code: 'OSTREE_FILE_UNFIT' },
    );
  }
  const fits = { ...base, mode: 0o100775 };
  assert.equal(
    await transaction.writeFile(computeFileChecksum(fits), fits, { bytes: new Uint8Array(0) }),
    'written',
  );
});

test('content is shared by reflink if the filesystem supports it, and is still verified', async (t) => {
  if (!needs(t, 'root', 'xfs')) return;
  await using disk = await mountLoopFilesystem('xfs');
  execFileSync('cp', ['-a', join(fixture.path, 'fxmini/r-bare'), disk.path]);
  using source = openOstreeRepo(join(disk.path, 'r-bare'));
  using target = initOstreeRepo(join(disk.path, 'reflinked'), { mode: 'bare-user' });
  using transaction = await target.begin();
  const big = 'ef82b3b6381af8ff07b1af719604a18b06fe67934fafc12ccf9251d846bd44ab' as OstreeChecksum;
  const other =
    '81381808c56d4f3d643ec12f6a18fcf2993af8daba7c2a1b2cbfc315b39424c6' as OstreeChecksum;
  using file = source.openFile(big) ?? assert.fail();
  assert.ok(file.plain !== undefined);
  const content = { file: file.plain };
  await assert.rejects(transaction.writeFile(other, file.header, content), {
    code: 'OSTREE_CHECKSUM_MISMATCH',
  });
  assert.equal(await transaction.writeFile(big, file.header, content), 'reflinked');
  assert.equal(await transaction.writeFile(big, file.header, content), 'present');
});

const CORRUPT: Readonly<Record<string, string | undefined>> = {
  '00-good': undefined,
  '02-payload-truncated': undefined,
  '04-header-size-bigger': 'OSTREE_PAYLOAD_INVALID',
  '06-header-rdev': 'OSTREE_HEADER_INVALID',
  '08-prefix-len-too-long': 'OSTREE_HEADER_INVALID',
  '10-xattrs-unsorted-on-wire-sum-sorted': undefined,
  '12-xattr-name-without-nul': 'OSTREE_XATTR_INVALID',
  '14-missing-file': 'OSTREE_OBJECT_MISSING',
  '16-missing-dirmeta': 'OSTREE_OBJECT_MISSING',
  '18-dirtree-slash-name': 'OSTREE_NAME_INVALID',
  '20-dirtree-empty-name': 'OSTREE_NAME_INVALID',
  '22-dirtree-file-and-dir-same-name': 'OSTREE_NAME_DUPLICATE',
  '24-dirtree-checksum-31-bytes': 'OSTREE_CHECKSUM_LENGTH',
  '26-dirtree-invalid-utf8': 'GVARIANT_NOT_NORMAL',
  '28-commit-truncated': 'OSTREE_CHECKSUM_MISMATCH',
  '30-binding-other-ref': undefined,
  '32-ref-junk': 'OSTREE_REF_INVALID',
  '34-ref-no-newline': undefined,
  '36-symlink-empty-target': undefined,
  '38-dirmeta-xattrs-unsorted': 'OSTREE_XATTR_INVALID',
  '40-mode-type-bits-missing': 'OSTREE_MODE_INVALID',
  '42-regular-with-symlink-target': 'OSTREE_CHECKSUM_MISMATCH',
  '44-dirtree-cycle-impossible-self-name': 'OSTREE_NAME_INVALID',
};

test('every corrupt repository is accepted or refused with the expected code', async () => {
  const root = join(fixture.path, 'r-corrupt');
  const seen: Record<string, string | undefined> = {};
  for (const name of readdirSync(root).sort()) {
    using repo = openOstreeRepo(join(root, name));
    try {
      await verify(repo, found(repo.refs.resolveForPull('t'), V1, 'ref'));
      seen[name] = undefined;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      seen[name] = error.code;
    }
  }
  assert.deepEqual(seen, CORRUPT);
});

test('a transaction that is dropped, refused or killed leaves nothing behind', async () => {
  const path = join(fixture.path, 'dropped');
  using repo = initOstreeRepo(path, { mode: 'bare-user-only' });
  const header: SizedFileHeader = {
    uid: 0,
    gid: 0,
    mode: 0o100644,
    target: '' as ByteString,
    xattrs: [],
    sizeBytes: 3,
  };
  const bytes = Buffer.from('abc');
  const checksum = computeFileChecksum(header, bytes);
  {
    using transaction = await repo.begin();
    await transaction.writeFile(checksum, header, { bytes });
    assert.ok(transaction.has('file', checksum));
    transaction.setRef('a/b', checksum);
  }
  assert.ok(!repo.has('file', checksum) && repo.refs.list().length === 0);
  const abandoned = join(path, 'tmp/onecopy-staging-dead');
  mkdirSync(abandoned);
  writeFileSync(join(abandoned, `${checksum}.file`), 'abc');
  {
    using transaction = await repo.begin();
    assert.ok(!existsSync(abandoned));
    using second = await repo.begin();
    assert.equal(readdirSync(join(path, 'tmp')).length, 2, 'a running transaction is left alone');
    await assert.rejects(transaction.writeFile(checksum, { ...header, sizeBytes: 4 }, { bytes }), {
      code: 'OBJECT_SIZE_MISMATCH',
    });
    await transaction.writeFile(checksum, header, { pieces: [bytes] });
    await second.writeFile(checksum, header, { pieces: [bytes] });
    second.commit();
    transaction.setRef('a/b', checksum);
    assert.deepEqual(transaction.commit().filesWritten, 1);
  }
  assert.deepEqual(readdirSync(join(path, 'tmp')), []);
  assert.equal(repo.refs.read('a/b'), checksum);
});

test('refs are set, listed, aliased and deleted, and colliding names are refused', () => {
  using repo = initOstreeRepo(join(fixture.path, 'refs'), {
    mode: 'archive',
    collectionId: 'org.x',
  });
  assert.equal(repo.config.collectionId, 'org.x');
  repo.refs.write('a/b/c', V1);
  repo.refs.write('a/b/c', V2);
  repo.refs.write('ünï', V1, { kind: 'remote', remote: 'origin' });
  repo.refs.write('os/main', V1, { kind: 'mirror', collection: 'com.example.Other' });
  repo.refs.writeAlias('alias/x', 'a/b/c');
  assert.throws(() => repo.refs.write('a/b', V1), { code: 'OSTREE_REF_EXISTS' });
  assert.throws(() => repo.refs.write('a/b/c/d', V1), { code: 'OSTREE_REF_EXISTS' });
  assert.throws(() => repo.refs.writeAlias('alias/x', 'a/b/c'), { code: 'OSTREE_REF_EXISTS' });
  for (const name of ['../x', 'a//b', '.x', 'a b', V1, '']) {
    assert.throws(() => repo.refs.write(name, V1), { code: 'OSTREE_REF_INVALID' });
  }
  writeFileSync(join(fixture.path, 'refs/refs/heads/junk'), 'hello\n');
  const broken: string[] = [];
  const refs = repo.refs.list(({ path }) => broken.push(path));
  assert.deepEqual(
    refs.map(({ space, name, checksum, alias }) => [space.kind, name, checksum, alias]),
    [
      ['heads', 'a/b/c', V2, undefined],
      ['heads', 'alias/x', V2, '../a/b/c'],
      ['mirror', 'os/main', V1, undefined],
      ['remote', 'ünï', V1, undefined],
    ],
  );
  assert.deepEqual(broken, ['refs/heads/junk']);
  assert.equal(repo.refs.resolve('origin:ünï'), V1);
  assert.equal(repo.refs.resolve('ünï'), V1);
  assert.equal(repo.refs.resolveForPull('remotes/origin/ünï'), V1);
  assert.equal(repo.refs.resolveForPull('ünï'), undefined);
  assert.equal(repo.refs.resolveForPull('a/b'), undefined);
  assert.equal(repo.refs.delete('alias/x'), true);
  assert.equal(repo.refs.delete('a/b/c'), true);
  assert.equal(repo.refs.delete('a/b/c'), false);
  assert.ok(!existsSync(join(fixture.path, 'refs/refs/heads/a')));
  assert.ok(existsSync(join(fixture.path, 'refs/refs/heads')));
});

test('an abbreviated commit id needs four digits, and a pull never accepts one', () => {
  using repo = openOstreeRepo(join(fixture.path, 'fxmini/r-archive'));
  assert.equal(repo.refs.resolve(V1.slice(0, 6)), V1);
  assert.equal(repo.refs.resolve(V1.slice(0, 3)), undefined);
  assert.equal(repo.refs.resolveForPull(V1.slice(0, 6)), undefined);
});

test('a repository with a parent reads missing objects from the parent', async () => {
  const path = join(fixture.path, 'child');
  initOstreeRepo(path, { mode: 'archive' })[Symbol.dispose]();
  const parent = join(fixture.path, 'fxmini/r-archive');
  writeFileSync(
    join(path, 'config'),
    `[core]\nrepo_version=1\nmode=archive-z2\nparent=${parent}\n`,
  );
  using repo = openOstreeRepo(path);
  assert.equal(await verify(repo, V1), 36);
  assert.equal(repo.has('commit', V1), false);
});

test('partial markers, detached metadata and tombstones are stored beside commits', () => {
  using partial = openOstreeRepo(join(fixture.path, 'r-partial'));
  const [ref] = partial.refs.list();
  assert.ok(ref !== undefined);
  assert.equal(partial.state.partialReason(ref.checksum), 'pull');
  using repo = initOstreeRepo(join(fixture.path, 'state'), { mode: 'bare-user' });
  repo.state.markPartial(V1, 'fsck');
  assert.equal(repo.state.partialReason(V1), 'fsck');
  repo.state.clearPartial(V1);
  assert.equal(repo.state.partialReason(V1), undefined);
  repo.state.writeDetached(V1, Buffer.from('x'));
  assert.deepEqual(repo.state.readDetached(V1), Buffer.from('x'));
  repo.state.writeDetached(V1, undefined);
  assert.equal(repo.state.readDetached(V1), undefined);
  repo.state.writeTombstone(V1);
  assert.equal(repo.state.hasTombstone(V1), true);
  using stone = openOstreeRepo(join(fixture.path, 'fxmini/r-tombstone'));
  assert.equal(stone.config.tombstoneCommits, true);
  assert.equal(stone.state.hasTombstone(V1), true);
  assert.equal(stone.state.hasTombstone(V2), false);
});

test('the lock file excludes prune while a transaction or a reader runs', async (t) => {
  if (!needs(t, 'tool:ostree')) return;
  const path = join(fixture.path, 'locked');
  using repo = initOstreeRepo(path, { mode: 'archive' });
  const config = join(path, 'config');
  writeFileSync(config, `${readFileSync(config, 'utf8')}lock-timeout-secs=0\n`);
  const prune = () => spawnSync('ostree', ['prune', `--repo=${path}`], { encoding: 'utf8' });
  assert.equal(prune().status, 0);
  {
    using _lock = await repo.lockForReading();
    assert.match(prune().stderr, /[Ll]ock/);
  }
  using transaction = await repo.begin();
  assert.notEqual(prune().status, 0);
  transaction[Symbol.dispose]();
  assert.equal(prune().status, 0);
});

for (const [what, config, code] of [
  ['no repo_version', '[core]\nmode=bare\n', 'OSTREE_VERSION_UNSUPPORTED'],
  ['version 2', '[core]\nrepo_version=2\nmode=bare\n', 'OSTREE_VERSION_UNSUPPORTED'],
  ['no mode', '[core]\nrepo_version=1\n', 'OSTREE_CONFIG_INVALID'],
  ['an unknown mode', '[core]\nrepo_version=1\nmode=sparse\n', 'OSTREE_CONFIG_INVALID'],
  [
    'a bad number',
    '[core]\nrepo_version=1\nmode=bare\nlock-timeout-secs=soon\n',
    'OSTREE_CONFIG_INVALID',
  ],
] as const) {
  test(`a config with ${what} is refused`, () => {
    const path = join(fixture.path, `config-${what.replaceAll(' ', '-')}`);
    mkdirSync(join(path, 'objects'), { recursive: true });
    writeFileSync(join(path, 'config'), config);
    assert.throws(() => openOstreeRepo(path), { code });
  });
}

test('a folder that is no repository is reported as not found, and a second init is refused', () => {
  const none = { code: 'OSTREE_REPO_NOT_FOUND' };
  assert.throws(() => openOstreeRepo(join(fixture.path, 'nowhere')), none);
  assert.throws(() => openOstreeRepo(fixture.path), none);
  assert.equal(isOstreeRepo(join(fixture.path, 'nowhere')), false);
  const path = join(fixture.path, 'twice');
  initOstreeRepo(path, { mode: 'bare' })[Symbol.dispose]();
  assert.equal(isOstreeRepo(path), true);
  assert.throws(() => initOstreeRepo(path, { mode: 'bare' }), { code: 'OSTREE_REPO_EXISTS' });
});

test('the stored bytes of an archive object are read whole, up to a limit, and only from archive repositories', () => {
  using repo = openOstreeRepo(join(fixture.path, 'fxmini/r-archive'));
  const big = 'ef82b3b6381af8ff07b1af719604a18b06fe67934fafc12ccf9251d846bd44ab' as OstreeChecksum;
  const path = join(fixture.path, `fxmini/r-archive/objects/ef/${big.slice(2)}.filez`);
  const bytes = readFileSync(path);
  assert.deepEqual(repo.readFilez(big, bytes.length), bytes);
  assert.equal(repo.readFilez(big, bytes.length - 1), undefined);
  assert.equal(repo.readFilez(V1, 100), undefined);
  using bare = openOstreeRepo(join(fixture.path, 'fxmini/r-bare-user'));
  assert.equal(bare.readFilez(big, 1_000_000), undefined);
});

test('a directory in place of a file object is refused', () => {
  for (const mode of ['archive', 'bare', 'bare-user'] as const) {
    const path = join(fixture.path, `typed-${mode}`);
    using repo = initOstreeRepo(path, { mode });
    const extension = mode === 'archive' ? 'filez' : 'file';
    mkdirSync(join(path, 'objects', V1.slice(0, 2), `${V1.slice(2)}.${extension}`), {
      recursive: true,
    });
    assert.throws(() => repo.openFile(V1), { code: 'OSTREE_FILE_TYPE_INVALID' });
  }
});

test('a repository of mode bare-split-xattrs is read-only', async () => {
  using repo = openOstreeRepo(join(fixture.path, 'fxmini/r-bare-split-xattrs'));
  await assert.rejects(repo.begin(), { code: 'OSTREE_MODE_READ_ONLY' });
});

test('the free space to keep is read from the configuration as a size or a percentage', () => {
  const read = (lines: string) => {
    const text = `[core]\nrepo_version=1\nmode=archive-z2\n${lines}\n`;
    return parseConfig(Buffer.from(text)).minFreeSpace;
  };
  assert.deepEqual(read(''), { percent: 3 });
  assert.deepEqual(read('min-free-space-percent=7'), { percent: 7 });
  assert.deepEqual(read('min-free-space-size=2GB'), { bytes: 2 ** 31 });
  assert.deepEqual(read('min-free-space-size=1MB\nmin-free-space-percent=9'), { bytes: 2 ** 20 });
  assert.deepEqual(read('min-free-space-size=0MB\nmin-free-space-percent=9'), { percent: 9 });
  assert.deepEqual(read('min-free-space-size=0TB'), { percent: 0 });
  for (const wrong of ['500', '5kB', '1 GB', '-1MB', '999999999999TB']) {
    assert.throws(() => read(`min-free-space-size=${wrong}`), { code: 'OSTREE_CONFIG_INVALID' });
  }
});

test('a write that would leave less free space than the configured size is refused', async () => {
  using temp = makeTempDir();
  using repo = initOstreeRepo(`${temp.path}/repo`, { mode: 'archive' });
  const config = readFileSync(`${temp.path}/repo/config`, 'utf8');
  writeFileSync(`${temp.path}/repo/config`, `${config}min-free-space-size=900TB\n`);
  using full = openOstreeRepo(`${temp.path}/repo`);
  assert.equal(repo.mode, full.mode);
  using transaction = await full.begin({});
  const bytes = encodeDirtree({ files: [], directories: [] });
  assert.throws(() => transaction.writeMetadata('dirtree', computeMetadataChecksum(bytes), bytes), {
    code: 'NO_SPACE',
    message: /core\.min-free-space-size/,
  });
});
