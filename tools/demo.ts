/**
 * The main job, shown with what this machine has: no network, no root. It builds a real image of several layers and a
 * changed second version, serves both from a registry on this machine, pulls them (the first pull is killed halfway), and reads, checks and
 * (as root) mounts them with the commands that a user types. As root it ends with one of the images in three stores on one XFS.
 *
 * Usage: npm run demo
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { LayoutRegistry } from '../test/support/layout-registry.ts';
import { membersOfFolder, type SampleImage, writeSampleImage } from './sample-image.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCRATCH = mkdtempSync(join(tmpdir(), 'onecopy-demo-'));
const FILES_MAX = 4000;
/** Time for what was sent to reach the disk before the kill, in milliseconds. */
const WRITE_MS = 500;
const DISK_BYTES = 2 * 2 ** 30;

/** Where the demo writes. */
interface Disk {
  readonly path: string;
  /** False for a plain folder. */
  readonly mounted: boolean;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function title(text: string): void {
  say(`\n${styleText('bold', `# ${text}`)}`);
}

/** Prints a command as a user types it and starts it. */
function start(program: string, args: readonly string[]) {
  const shown = args.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
  say(styleText('cyan', `$ ${[program, ...shown].join(' ')}`));
  const path = program === 'onecopy' ? join(ROOT, 'bin/onecopy') : program;
  return spawn(path, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Runs a command; a failure ends the demo. */
async function run(program: string, ...args: readonly string[]): Promise<void> {
  const child = start(program, args);
  const [status, signal] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${program} ended with status ${status ?? signal}`);
}

function size(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

async function buildImages(layout: string): Promise<SampleImage[]> {
  const share = existsSync('/usr/share') ? '/usr/share' : join(ROOT, 'node_modules');
  const app = join(ROOT, 'src');
  const base = () => membersOfFolder(share, { at: '/usr/share', filesMax: FILES_MAX });
  const first = await writeSampleImage(layout, 'v1', [
    { members: base(), compression: 'zstd:chunked' },
    { members: membersOfFolder(app, { at: '/usr/lib/app' }), compression: 'zstd:chunked' },
  ]);
  // The second version has a changed byte in every 100th file of the big layer: another layer, nearly the same files.
  let index = 0;
  const change = (_path: string, piece: Uint8Array) => {
    index += 1;
    if (index % 100 !== 0 || piece.length === 0) return piece;
    const copy = piece.slice();
    copy[0] = (copy[0] ?? 0) ^ 0xff;
    return copy;
  };
  const changed = membersOfFolder(share, { at: '/usr/share', filesMax: FILES_MAX, change });
  const second = await writeSampleImage(layout, 'v2', [
    { members: changed, compression: 'zstd:chunked' },
    { members: membersOfFolder(app, { at: '/usr/lib/app' }), compression: 'zstd:chunked' },
  ]);
  return [first, second];
}

/** A reflink filesystem of our own on a loop device, as root where the tools are there; else a plain folder. */
function prepareDisk(name: string): Disk {
  const path = join(SCRATCH, name);
  mkdirSync(path);
  if (process.getuid?.() !== 0) return { path, mounted: false };
  const image = join(SCRATCH, `${name}.img`);
  writeFileSync(image, '');
  truncateSync(image, DISK_BYTES);
  for (const make of [
    ['mkfs.xfs', '-q', '-m', 'reflink=1', image],
    ['mkfs.btrfs', '-q', image],
  ]) {
    const [program = '', ...args] = make;
    if (spawnSync(program, args).status !== 0) continue;
    if (spawnSync('mount', ['-o', 'loop', image, path]).status === 0)
      return { path, mounted: true };
  }
  return { path, mounted: false };
}

/** Bytes that a filesystem has in use, after everything has reached the device. */
function usedBytes(path: string): number {
  spawnSync('sync', ['-f', path]);
  const { blocks, bfree, bsize } = statfsSync(path);
  return (blocks - bfree) * bsize;
}

/** Bytes of all files below a directory, as if they shared no extents. */
function allocatedBytes(path: string): number {
  const { stdout } = spawnSync('du', ['-s', '--block-size=1', path], { encoding: 'utf8' });
  return Number.parseInt(stdout, 10);
}

/** Brings an image into containers-storage, the composefs repository and the OSTree repository of a sysroot on a disk of its own. */
async function keepOneCopy(layout: string): Promise<void> {
  const disk = prepareDisk('sysroot');
  if (!disk.mounted) return;
  try {
    const emptyBytes = usedBytes(disk.path);
    const unified = (...args: string[]) =>
      run('onecopy', '--sysroot', disk.path, 'unified', ...args);
    title('One image in three stores: podman, composefs and OSTree, on one XFS of its own');
    await unified('enable', '--mode=enabled');
    await unified('pull', `oci:${layout}:v2`, '--target', 'docker://quay.io/demo/os:2');
    await unified('images');
    title('The stores agree, and no file has extents of its own');
    await unified('fsck', '--extents');
    if (spawnSync('ostree', ['--version']).status === 0) {
      await run('ostree', 'fsck', '--quiet', '--repo', join(disk.path, 'ostree/repo'));
    }
    const alone = allocatedBytes(join(disk.path, 'ostree/bootc/storage'));
    const apart = allocatedBytes(disk.path);
    say(
      `${styleText('bold', 'Disk')}: the three stores take ${size(usedBytes(disk.path) - emptyBytes)}; ` +
        `containers-storage alone takes ${size(alone)}, and three stores that share nothing would take ${size(apart)}`,
    );
  } finally {
    spawnSync('umount', ['-l', disk.path]);
  }
}

/** Pulls from a registry: the first pull is killed when half of the blobs have come, and the second goes on. */
async function pullFromRegistry(
  layout: string,
  images: readonly SampleImage[],
  repository: readonly string[],
) {
  await using registry = await LayoutRegistry.start(layout);
  const from = (tag: string) => [`docker://${registry.host}/demo:${tag}`, `demo:${tag}`];
  const pull = async (tag: string) => {
    const before = registry.sentBytes;
    await run('onecopy', ...repository, 'pull', ...from(tag));
    say(styleText('dim', `(the registry sent ${size(registry.sentBytes - before)})`));
  };
  title('Pull from a registry on this machine; the first pull is killed halfway');
  registry.stallAtBytes = Math.floor((images[0]?.blobBytes ?? 0) / 2);
  const stalled = new Promise<void>((resolve) => {
    registry.onStall = resolve;
  });
  const child = start('onecopy', [...repository, 'pull', ...from('v1')]);
  const exit = once(child, 'exit');
  await Promise.race([stalled, exit]);
  await delay(WRITE_MS);
  child.kill('SIGKILL');
  await exit;
  say(styleText('dim', `(kill -9; the registry sent ${size(registry.sentBytes)})`));
  registry.stallAtBytes = Number.POSITIVE_INFINITY;
  await pull('v1');
  title(
    'Pull a version with 1 % of the files changed: of its layer, the table of contents and the changed parts are fetched',
  );
  await run('onecopy', ...repository, 'pull', '--dry-run', ...from('v2'));
  await pull('v2');
  title('Look at a file of an image in the registry: its layer is not fetched');
  const before = registry.sentBytes;
  await run('onecopy', 'cat', from('v2')[0] ?? '', '/usr/lib/app/index.ts');
  say(styleText('dim', `(the registry sent ${size(registry.sentBytes - before)})`));
}

async function main(): Promise<void> {
  const disk = prepareDisk('disk');
  const layout = join(disk.path, 'layout');
  const repository = ['--repo', join(disk.path, 'repo')];
  const onecopy = (...args: string[]) => run('onecopy', ...repository, ...args);
  try {
    title('A real image out of what this machine has, and a changed second version');
    const images = await buildImages(layout);
    for (const [at, image] of images.entries()) {
      say(
        `v${at + 1}: ${size(image.tarBytes)} of tar in ${size(image.blobBytes)} of blobs, ${image.manifestDigest}`,
      );
    }
    await pullFromRegistry(layout, images, repository);
    await onecopy('images');
    title('Read without mounting');
    await onecopy('ls', 'demo:v1', '/usr/lib/app');
    await onecopy('find', 'demo:v1', '/usr/lib/app/base', '--name', '*hex*');
    await onecopy('cat', 'demo:v1', '/usr/lib/app/base/bytes/hex.ts');
    await onecopy('stat', 'demo:v1', '/usr/lib/app/base/bytes/hex.ts');
    title('Check everything, and give an image back');
    await onecopy('fsck');
    await onecopy('export', 'demo:v2', `oci:${join(disk.path, 'out')}:v2`);
    if (disk.mounted) await mountAndCompare(disk.path, onecopy);
    else
      say(
        '\n(As root, with xfsprogs or btrfs-progs, the demo also mounts the image and brings it into three stores.)',
      );
    title('Remove one version; what the other needs stays');
    await onecopy('rm', 'demo:v1');
    await onecopy('gc');
    await onecopy('fsck');
    await keepOneCopy(layout);
  } finally {
    if (disk.mounted) spawnSync('umount', ['-l', disk.path]);
    rmSync(SCRATCH, { recursive: true, force: true });
  }
}

async function mountAndCompare(
  disk: string,
  onecopy: (...args: string[]) => Promise<void>,
): Promise<void> {
  title('Mount with the kernel: EROFS for the tree, overlayfs for the files');
  const target = join(disk, 'mnt');
  mkdirSync(target);
  await onecopy('mount', 'demo:v2', target);
  try {
    await run('ls', join(target, 'usr/lib/app'));
    await run('diff', '-r', join(target, 'usr/lib/app'), join(ROOT, 'src'));
    say('(no difference)');
  } finally {
    await onecopy('umount', target);
  }
}

await main();
