/**
 * The main job, shown with what this machine has: no network, no root. It builds a real image of several layers and a
 * changed second version, pulls both, and reads, checks and (as root) mounts them with the commands that a user types.
 *
 * Usage: npm run demo
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { membersOfFolder, type SampleImage, writeSampleImage } from './sample-image.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCRATCH = mkdtempSync(join(tmpdir(), 'onecopy-demo-'));
const FILES_MAX = 4000;
const DISK_BYTES = 2 * 2 ** 30;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function title(text: string): void {
  say(`\n${styleText('bold', `# ${text}`)}`);
}

/** Prints a command as a user types it and runs it; a failure ends the demo. */
function run(program: string, ...args: readonly string[]): string {
  const shown = args.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
  say(styleText('cyan', `$ ${[program, ...shown].join(' ')}`));
  const path = program === 'onecopy' ? join(ROOT, 'bin/onecopy') : program;
  const done = spawnSync(path, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  process.stdout.write(done.stdout ?? '');
  if (done.status === 0) return done.stdout;
  throw new Error(`${program} ended with status ${done.status ?? done.error}`);
}

function size(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

async function buildImages(layout: string): Promise<SampleImage[]> {
  const share = existsSync('/usr/share') ? '/usr/share' : join(ROOT, 'node_modules');
  const app = join(ROOT, 'src');
  const base = () => membersOfFolder(share, { at: '/usr/share', filesMax: FILES_MAX });
  const first = await writeSampleImage(layout, 'v1', [
    { members: base(), compression: 'gzip' },
    { members: membersOfFolder(app, { at: '/usr/lib/app' }), compression: 'zstd' },
  ]);
  // The second version has a changed byte in every 50th file of the big layer: another layer, nearly the same files.
  let index = 0;
  const change = (_path: string, piece: Uint8Array) => {
    index += 1;
    if (index % 50 !== 0 || piece.length === 0) return piece;
    const copy = piece.slice();
    copy[0] = (copy[0] ?? 0) ^ 0xff;
    return copy;
  };
  const changed = membersOfFolder(share, { at: '/usr/share', filesMax: FILES_MAX, change });
  const second = await writeSampleImage(layout, 'v2', [
    { members: changed, compression: 'gzip' },
    { members: membersOfFolder(app, { at: '/usr/lib/app' }), compression: 'zstd' },
  ]);
  return [first, second];
}

/** A reflink filesystem of our own on a loop device, as root where the tools are there; else a plain folder. */
function prepareDisk(): { readonly path: string; readonly mounted: boolean } {
  const path = join(SCRATCH, 'disk');
  mkdirSync(path);
  if (process.getuid?.() !== 0) return { path, mounted: false };
  const image = join(SCRATCH, 'disk.img');
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

async function main(): Promise<void> {
  const disk = prepareDisk();
  const layout = join(disk.path, 'layout');
  const repository = ['--repo', join(disk.path, 'repo')];
  const onecopy = (...args: string[]) => run('onecopy', ...repository, ...args);
  try {
    title('A real image out of what this machine has, and a changed second version');
    for (const [at, image] of (await buildImages(layout)).entries()) {
      say(
        `v${at + 1}: ${size(image.tarBytes)} of tar in ${size(image.blobBytes)} of blobs, ${image.manifestDigest}`,
      );
    }
    title('Pull both: blobs and layers are verified, every file is stored once');
    onecopy('pull', `oci:${layout}:v1`, 'demo:v1');
    onecopy('pull', `oci:${layout}:v2`, 'demo:v2');
    onecopy('images');
    title('Read without mounting');
    onecopy('ls', 'demo:v1', '/usr/lib/app');
    onecopy('find', 'demo:v1', '/usr/lib/app/base', '--name', '*hex*');
    onecopy('cat', 'demo:v1', '/usr/lib/app/base/bytes/hex.ts');
    onecopy('stat', 'demo:v1', '/usr/lib/app/base/bytes/hex.ts');
    title('Check everything, and give an image back');
    onecopy('fsck');
    onecopy('export', 'demo:v2', `oci:${join(disk.path, 'out')}:v2`);
    if (disk.mounted) mountAndCompare(disk.path, onecopy);
    else say('\n(As root, with xfsprogs or btrfs-progs, the demo also mounts the image.)');
    title('Remove one version; what the other needs stays');
    onecopy('rm', 'demo:v1');
    onecopy('gc');
    onecopy('fsck');
  } finally {
    if (disk.mounted) spawnSync('umount', ['-l', disk.path]);
    rmSync(SCRATCH, { recursive: true, force: true });
  }
}

function mountAndCompare(disk: string, onecopy: (...args: string[]) => string): void {
  title('Mount with the kernel: EROFS for the tree, overlayfs for the files');
  const target = join(disk, 'mnt');
  mkdirSync(target);
  onecopy('mount', 'demo:v2', target);
  try {
    run('ls', join(target, 'usr/lib/app'));
    run('diff', '-r', join(target, 'usr/lib/app'), join(ROOT, 'src'));
    say('(no difference)');
  } finally {
    onecopy('umount', target);
  }
}

await main();
