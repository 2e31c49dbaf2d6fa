import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFilesystemState, syncfs } from '#host';
import { type Account, accountFor, type OwnerUsage, placeOf } from '#work/account';
import { needs } from '../support/capability.ts';
import { writeSmallStore } from '../support/containers-stores.ts';
import { type LoopFilesystem, mountLoopFilesystem } from '../support/loop-fs.ts';
import { runCli } from '../support/run-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FILE_BYTES = 4 << 20;
const FILES = 6;

/** Content of one file, equal to no other. */
function someContent(): string {
  return randomBytes(FILE_BYTES / 2).toString('hex');
}

/** Bytes that the filesystem says are used. */
function usedBytes({ dir }: LoopFilesystem): number {
  syncfs(dir);
  const { totalBytes, freeBytes } = readFilesystemState(dir);
  return totalBytes - freeBytes;
}

function run(...args: readonly string[]): string {
  const { status, stdout, stderr } = runCli(args);
  equal(status, 0, stderr);
  return stdout;
}

/** podman's store with an image, a repository with the same image, and an OSTree repository with its commit. */
function fillStores({ path }: LoopFilesystem, reflink: string): readonly string[] {
  const graph = join(path, 'graph');
  const files = Array.from({ length: FILES }, (_, at) => ({
    name: `file-${at}`,
    content: someContent(),
  }));
  writeSmallStore(graph, 'localhost/app:1', files);
  const repo = join(path, 'repo');
  const source = `containers-storage:[overlay@${graph}]localhost/app:1`;
  run('--repo', repo, 'pull', '--reflink', reflink, source, 'app');
  run('--repo', repo, 'ostree', 'commit', 'app', '--reference', 'os');
  run(
    '--repo',
    repo,
    'ostree',
    'export',
    'os',
    join(path, 'ostree'),
    '--mode',
    'bare',
    '--reference',
    'os',
  );
  return [
    `composefs:${repo}`,
    `containers-storage:[overlay@${graph}]`,
    `ostree-local:${path}/ostree`,
  ];
}

async function account(stores: readonly string[]): Promise<Account> {
  return await accountFor(await Promise.all(stores.map(placeOf)));
}

function find({ owners }: Account, kind: OwnerUsage['kind'], store: string): OwnerUsage {
  const found = owners.find((row) => row.kind === kind && row.store.startsWith(store));
  ok(found !== undefined, `${kind} of ${store}`);
  return found;
}

/** Equal but for one percent. */
function near(found: number, expected: number, what: string): void {
  ok(Math.abs(found - expected) <= expected / 100, `${what}: ${found} for ${expected}`);
}

for (const type of ['xfs', 'btrfs'] as const) {
  test(`df counts each block of three stores once, in agreement with statfs: ${type}`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const empty = usedBytes(filesystem);
    const stores = fillStores(filesystem, 'always');
    const used = usedBytes(filesystem) - empty;
    const found = await account(stores);
    const content = FILES * FILE_BYTES;
    near(found.accountedBytes, used, 'the account and statfs');
    near(found.accountedBytes, content, 'one copy of the content');
    equal(found.filesystems.length, 1);
    for (const [kind, store] of [
      ['image', 'composefs:'],
      ['commit', 'composefs:'],
      ['image', 'containers-storage:'],
      ['commit', 'ostree-local:'],
    ] as const) {
      const row = find(found, kind, store);
      near(row.totalBytes, content, `${kind} of ${store}`);
      ok(row.exclusiveBytes < content / 100, `${kind} of ${store}: ${row.exclusiveBytes}`);
      equal(row.sharedWith.filter(({ bytes }) => bytes > content * 0.99).length, 3);
    }
    for (const row of found.stores) {
      equal(row.totalBytes, row.exclusiveBytes + row.sharedBytes);
      near(row.sharedBytes, content, row.store);
      equal(row.sharedWith.length, 2);
      deepEqual([row.unseen, row.problems], [[], []]);
    }
    // Removing two of three stores frees nothing of the content, and alone the last has all of it.
    const [alone] = (await account(stores.slice(1, 2))).stores;
    near(alone?.exclusiveBytes ?? 0, content, 'the store alone');
    ok((alone?.reclaimableBytes ?? content) < content / 100, 'others share its blocks');
  });
}

test('df reports no sharing on ext4, where each store has its own copy', async (t) => {
  if (!needs(t, 'root', 'ext4')) return;
  await using filesystem = await mountLoopFilesystem('ext4');
  const empty = usedBytes(filesystem);
  const stores = fillStores(filesystem, 'auto');
  const used = usedBytes(filesystem) - empty;
  const found = await account(stores);
  near(found.accountedBytes, used, 'the account and statfs');
  const row = find(found, 'image', 'containers-storage:');
  equal(row.sharedBytes, 0);
  equal(row.reclaimableBytes, row.totalBytes);
  const stored = find(found, 'image', 'composefs:');
  deepEqual(
    stored.sharedWith.map(({ name, store }) => [name, store]),
    [['os', stores[0]]],
  );
});

test('df counts blocks shared with a file outside the stores as exclusive and not reclaimable', async (t) => {
  if (!needs(t, 'root', 'xfs')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  const graph = join(filesystem.path, 'graph');
  writeSmallStore(graph, 'localhost/app:1', [
    { name: 'kept', content: someContent() },
    { name: 'free', content: someContent() },
  ]);
  const [layer = ''] = readdirSync(join(graph, 'overlay'));
  const diff = join(graph, 'overlay', layer, 'diff');
  linkSync(join(diff, 'free'), join(diff, 'link'));
  const copy = join(filesystem.path, 'copy');
  copyFileSync(join(diff, 'kept'), copy, constants.COPYFILE_FICLONE_FORCE);
  // Half of the copy becomes its own: the other half stays shared.
  const fd = openSync(copy, 'r+');
  writeSync(fd, Buffer.alloc(FILE_BYTES / 2, 1), 0, FILE_BYTES / 2, 0);
  closeSync(fd);
  syncfs(filesystem.dir);
  const row = find(await account([graph]), 'image', 'containers-storage:');
  near(row.exclusiveBytes, 2 * FILE_BYTES, 'exclusive');
  near(row.reclaimableBytes, 1.5 * FILE_BYTES, 'reclaimable');
});

test('df treats a btrfs subvolume as the same filesystem, and compressed extents as an upper bound', async (t) => {
  if (!needs(t, 'root', 'btrfs', 'tool:btrfs')) return;
  await using filesystem = await mountLoopFilesystem('btrfs', { mount: 'compress-force=zstd' });
  const { path } = filesystem;
  const graph = join(path, 'graph');
  const content = 'a'.repeat(FILE_BYTES);
  writeSmallStore(graph, 'localhost/app:1', [
    { name: 'one', content },
    { name: 'small', content: 'inline' },
  ]);
  const used = usedBytes(filesystem);
  const { accountedBytes, filesystems } = await account([graph]);
  ok(accountedBytes <= FILE_BYTES / 2, `${accountedBytes}`);
  ok((filesystems[0]?.encodedBytes ?? 0) > 0);
  ok(accountedBytes < used + FILE_BYTES);
});

test('df reports files that the user may not read, and does not count them', async (t) => {
  if (!needs(t, 'root')) return;
  using temporary = makeTempDir();
  chmodSync(temporary.path, 0o755);
  const graph = join(temporary.path, 'graph');
  writeSmallStore(graph, 'localhost/app:1', [
    { name: 'open', content: someContent() },
    { name: 'secret', content: someContent() },
  ]);
  const [layer = ''] = readdirSync(join(graph, 'overlay'));
  chmodSync(join(graph, 'overlay', layer, 'diff/secret'), 0o600);
  mkdirSync(join(graph, 'overlay', layer, 'work'), { mode: 0o700 });
  writeFileSync(join(graph, 'overlay', layer, 'work/x'), 'x');
  const all = await account([graph]);
  process.seteuid?.(65534);
  try {
    const [store] = (await account([graph])).stores;
    deepEqual(
      new Map(store?.unseen.map(({ what, count }) => [what, count])),
      new Map([
        ['files', 1],
        ['directories', 1],
      ]),
    );
    near((store?.totalBytes ?? 0) + FILE_BYTES, all.accountedBytes, 'what is seen');
  } finally {
    process.seteuid?.(0);
  }
});

test('df refuses a path without a store, and ends on a signal', async () => {
  using temporary = makeTempDir();
  await rejects(placeOf(temporary.path), { code: 'STORE_NOT_FOUND' });
  await rejects(placeOf('containers-storage:[nowhere'), { code: 'STORE_NOT_FOUND' });
  const graph = join(temporary.path, 'graph');
  writeSmallStore(graph, 'localhost/app:1', [{ name: 'a', content: 'a' }]);
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await rejects(accountFor([await placeOf(graph)], { signal }), reason);
});
