/** Images served by FUSE: for root, for a user who may not mount, and below a writable layer. */
import { deepEqual, equal, fail, match, ok, rejects, throws } from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hasCode } from '#base/errors';
import { resolveImageId } from '#work/image';
import { mountByFuse, mountImage, unmountImage } from '#work/mount';
import { pullImage } from '#work/pull-image';
import { openOrCreate } from '#work/repository';
import { needs } from '../support/capability.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GOLDEN = join(ROOT, 'test/golden/cfsctl/oci/whiteouts/layout');
/** Longest wait for a server to end. */
const END_MS = 20_000;

function canServe(t: TestContext): boolean {
  return needs(t, 'root', 'mount-api', 'erofs', 'overlay', 'tool:fusermount3');
}

/** An image with a directory of several blocks, links, xattrs, and files in the image and beside it. */
function writeLayout(folder: string): string {
  const files = Array.from({ length: 700 }, (_, at) => ({
    name: `many/${String(at).padStart(80, 'n')}`,
    content: at % 7 === 0 ? noise(9000 + at, at) : Buffer.from(`small ${at}`),
  }));
  const big = { name: 'big', content: noise(3_000_001, 5) };
  return writeTestLayout(folder, [{ tar: testTar([...files, big]) }]).reference;
}

async function pulled(path: string, reference: string) {
  const { repository } = await openOrCreate({ path }, { insecure: true });
  await pullImage(repository, reference, { name: 'image' });
  return { repository, imageId: resolveImageId(repository, 'image') };
}

/** Everything that a user sees of a tree but numbers of inodes and allocated blocks. */
function describe(tree: string): string {
  const format = '%P|%y|%m|%n|%U|%G|%T@|%l\\n';
  const list = spawnSync('find', [tree, '-printf', format], { encoding: 'utf8' });
  equal(list.status, 0, list.stderr);
  const sums = spawnSync(
    'sh',
    [
      '-c',
      'find . -type f -print0 | sort -z | xargs -0 sha256sum; find . -type f -size +0 | wc -l',
    ],
    { encoding: 'utf8', cwd: tree },
  );
  equal(sums.status, 0, sums.stderr);
  return list.stdout.split('\n').sort().join('\n') + sums.stdout;
}

function objectOfSize(repository: string, sizeBytes: number): string {
  const objects = join(repository, 'objects');
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' });
  const found = names.find((name) => statSync(join(objects, name)).size === sizeBytes);
  return join(objects, found ?? fail('no object of this size'));
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function hasEnded(pid: number): Promise<void> {
  for (const start = performance.now(); isRunning(pid); ) {
    ok(performance.now() - start < END_MS, 'the server runs on');
    await sleep(20);
  }
}

test('FUSE serves the same tree as the kernel mount, to four readers at the same time', async (t) => {
  if (!canServe(t)) return;
  using scratch = makeTempDir();
  const { repository, imageId } = await pulled(
    join(scratch.path, 'repo'),
    writeLayout(join(scratch.path, 'layout')),
  );
  using open = repository;
  const [served, kernel] = ['served', 'kernel'].map((name) => join(scratch.path, name)) as [
    string,
    string,
  ];
  mkdirSync(served);
  mkdirSync(kernel);
  const { serverPid = 0 } = await mountByFuse(open, imageId, served, { label: 'image' });
  try {
    mountImage(open, imageId, kernel);
    const expected = describe(kernel).replace(/^\|d\|.*$/m, '');
    await unmountImage(kernel);
    equal(describe(served).replace(/^\|d\|.*$/m, ''), expected);
    const readers = Array.from({ length: 4 }, () => {
      const child = spawn('sh', ['-c', 'cat many/* big | sha256sum'], { cwd: served });
      let sum = '';
      child.stdout.on('data', (piece: Buffer) => {
        sum += piece.toString();
      });
      return once(child, 'close').then(() => sum);
    });
    const sums = new Set(await Promise.all(readers));
    equal(sums.size, 1);
    // Without its object a file cannot be opened; its neighbours can.
    const file = objectOfSize(join(scratch.path, 'repo'), 3_000_001);
    renameSync(file, join(scratch.path, 'away'));
    throws(() => readFileSync(join(served, 'big')), { code: 'ENOENT' });
    equal(readFileSync(join(served, `many/${'1'.padStart(80, 'n')}`), 'utf8'), 'small 1');
    renameSync(join(scratch.path, 'away'), file);
    equal(readFileSync(join(served, 'big')).length, 3_000_001);
    await rejects(mountByFuse(open, imageId, served), (error) => hasCode(error, 'MOUNT_EXISTS'));
  } finally {
    equal((await unmountImage(served)).imageId, imageId);
  }
  await hasEnded(serverPid);
});

test('a FUSE mount shows no whiteouts and no whiteout stubs', async (t) => {
  if (!canServe(t)) return;
  using scratch = makeTempDir();
  const { repository, imageId } = await pulled(join(scratch.path, 'repo'), `oci:${GOLDEN}:latest`);
  using open = repository;
  const target = join(scratch.path, 'mnt');
  mkdirSync(target);
  await mountByFuse(open, imageId, target);
  try {
    const listed = spawnSync('find', [target, '-type', 'c'], { encoding: 'utf8' });
    equal(listed.stdout, '');
    equal(readFileSync(join(target, 'etc/hostname'), 'utf8').length > 0, true);
    ok(!existsSync(join(target, '00')));
  } finally {
    await unmountImage(target);
  }
});

test('a writable layer over a FUSE mount takes changes, and ends with the mount', async (t) => {
  if (!canServe(t)) return;
  using scratch = makeTempDir();
  const { repository, imageId } = await pulled(join(scratch.path, 'repo'), `oci:${GOLDEN}:latest`);
  using open = repository;
  const [target, upper, work] = ['mnt', 'upper', 'work'].map((name) =>
    join(scratch.path, name),
  ) as [string, string, string];
  for (const folder of [target, upper, work]) mkdirSync(folder);
  const writable = { upper, work };
  const { serverPid = 0, readOnly } = await mountByFuse(open, imageId, target, { writable });
  try {
    equal(readOnly, false);
    writeFileSync(join(target, 'etc/hostname'), 'mine');
    equal(readFileSync(join(target, 'etc/hostname'), 'utf8'), 'mine');
  } finally {
    await unmountImage(target);
  }
  equal(readFileSync(join(upper, 'etc/hostname'), 'utf8'), 'mine');
  await hasEnded(serverPid);
});

test('a missing mount point or upper directory is an error, and causes no wait', async (t) => {
  if (!canServe(t)) return;
  using scratch = makeTempDir();
  const { repository, imageId } = await pulled(join(scratch.path, 'repo'), `oci:${GOLDEN}:latest`);
  using open = repository;
  const missing = join(scratch.path, 'missing');
  await rejects(mountByFuse(open, imageId, missing), (error) => hasCode(error, 'SYSCALL_FAILED'));
  mkdirSync(missing);
  const writable = { upper: join(scratch.path, 'none'), work: join(scratch.path, 'none') };
  await rejects(mountByFuse(open, imageId, missing, { writable }), (error) =>
    hasCode(error, 'SYSCALL_FAILED'),
  );
  deepEqual(readFileSync('/proc/self/mountinfo', 'utf8').includes(missing), false);
});

/** Runs as a user who may not mount, in a mount namespace where /dev/fuse is open to all, as udev makes it. */
const AS_USER = `
set -e
cd "$1"
mkdir checkout
mount --bind "$2" checkout
mknod fuse c 10 229
chmod 666 fuse
mount --bind fuse /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -euc '
  onecopy=$1/checkout/bin/onecopy; cd $1/home; export HOME=$1/home
  $onecopy --repo repo -q pull "oci:$1/checkout/test/golden/cfsctl/oci/whiteouts/layout:latest" app
  mkdir mnt
  $onecopy --repo repo mount app mnt
  cat mnt/etc/hostname
  $onecopy umount mnt
  if $onecopy --repo repo mount app gone 2>&1; then exit 9; fi
  $onecopy --repo repo mount app mnt --upper $1/home --work $1/home 2>&1 || true
' - "$1"
`;

test('a user without mount rights mounts the same tree by fusermount3', (t) => {
  if (!canServe(t)) return;
  using scratch = makeTempDir();
  chmodSync(scratch.path, 0o755);
  mkdirSync(join(scratch.path, 'home'));
  chmodSync(join(scratch.path, 'home'), 0o777);
  const done = spawnSync('unshare', ['--mount', 'sh', '-c', AS_USER, '-', scratch.path, ROOT], {
    encoding: 'utf8',
  });
  equal(done.status, 0, done.stdout + done.stderr);
  match(done.stdout, /^Mounted app over .*, served by process \d+ until it is unmounted$/m);
  match(done.stdout, /^Unmounted app from /m);
  match(done.stdout, /gone": it does not exist/);
  match(done.stdout, /overlayfs needs CAP_SYS_ADMIN/);
});
