import { spawn, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writevSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../support/capability.ts';
import { Initramfs } from './initramfs.ts';
import { fetchGuestKernel, type GuestKernel, readKernelModules } from './kernel.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** What a guest sees of the project: enough to run TypeScript of all rooms below the faces. */
const PROJECT = [
  'package.json',
  'src',
  'test/host',
  'test/support',
  'tools/sample-image.ts',
  'node_modules/koffi',
];
const MODULES = ['virtio_blk', 'loop', 'erofs', 'overlay', 'btrfs'];
const DISK_BYTES = 512 * 1024 * 1024;
const MEMORY_MIB = 1536;
/** Without CMPXCHG16B, which QEMU 7.2 emulates wrongly (it spoils the flags register), and without five-level page tables. */
const CPU = 'max,-cx16,-la57,-pku';
/** The emulator now and then breaks V8 itself; a guest that dies without a word is booted again. A test that fails says so, once. */
const BOOTS_MAX = 3;
const GUEST_TIMEOUT_MS = 200_000;
/** Line by which the first process of the guest reports the exit status of the test. */
const EXIT_LINE = /^ONECOPY-GUEST-EXIT (\d+)\s*$/m;

/** What a run in a guest gave. */
export interface GuestResult {
  /** Exit status of the program; undefined when the guest never said (it crashed, hung, or did not boot). */
  readonly status: number | undefined;
  /** Everything written to its console. */
  readonly output: string;
  readonly elapsedMs: number;
}

/** Why this machine cannot run guests; the kernel when it can. Downloads the kernel if it must. */
export function prepareGuest(): GuestKernel | string {
  for (const program of ['qemu-system-x86_64', 'mkfs.ext4', 'mkfs.btrfs', 'xz', 'ldd']) {
    if (findProgram(program) === undefined) return `"${program}" is not installed`;
  }
  return fetchGuestKernel();
}

/**
 * Boots a kernel that has fs-verity and runs TypeScript files in it as root (with `node --test`). The guest has an ext4 filesystem
 * (with the verity feature) at `/ext4`, a btrfs one at `/btrfs`, and a tmpfs at `/tmp`. Software
 * emulation, which works inside other virtual machines too.
 * @param programs paths of the files below the project, for example `test/host/qemu/verity.guest.ts`
 */
export async function runInGuest(
  kernel: GuestKernel,
  programs: readonly string[],
): Promise<GuestResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-guest-'));
  try {
    writeInitramfs(kernel, join(scratch, 'initramfs'));
    const started = performance.now();
    for (let boots = 1; ; boots += 1) {
      makeDisk(join(scratch, 'ext4'), 'mkfs.ext4', ['-q', '-F', '-b', '4096', '-O', 'verity']);
      makeDisk(join(scratch, 'btrfs'), 'mkfs.btrfs', ['-q', '-f']);
      const result = await boot(kernel, scratch, programs);
      const isLate = performance.now() - started > GUEST_TIMEOUT_MS;
      if (result.status !== undefined || boots === BOOTS_MAX || isLate) return result;
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function makeDisk(path: string, mkfs: string, options: readonly string[]): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, DISK_BYTES);
  closeSync(fd);
  const made = spawnSync(findProgram(mkfs) ?? mkfs, [...options, path], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`${mkfs}: ${made.stderr}`);
}

function writeInitramfs(kernel: GuestKernel, path: string): void {
  const files = new Initramfs();
  for (const folder of ['/dev', '/proc', '/sys', '/tmp', '/ext4', '/btrfs']) {
    files.addFolder(folder);
  }
  files.addTree(process.execPath, '/bin/node');
  for (const library of librariesOf(process.execPath)) {
    files.addTree(library.resolved, library.path);
  }
  for (const part of PROJECT) files.addTree(join(ROOT, part), `/onecopy/${part}`);
  const native = `node_modules/@koromix/koffi-linux-${process.arch}`;
  files.addTree(join(ROOT, native), `/onecopy/${native}`);
  readKernelModules(kernel, MODULES).forEach(({ name, content }, index) => {
    files.addFile(`/modules/${String(index).padStart(2, '0')}-${name}.ko`, content);
  });
  const fd = openSync(path, 'w');
  for (const piece of files.finish()) if (piece.length > 0) writevSync(fd, [piece]);
  closeSync(fd);
}

/** The shared libraries of a program, by the path the loader looks for and the file behind it. */
function librariesOf(program: string): { readonly path: string; readonly resolved: string }[] {
  const listed = spawnSync('ldd', [program], { encoding: 'utf8' }).stdout;
  const paths = [...listed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  return paths.map((path) => ({ path, resolved: resolveLink(path) }));
}

function resolveLink(path: string): string {
  const real = spawnSync('readlink', ['-f', path], { encoding: 'utf8' }).stdout.trim();
  return real === '' ? path : real;
}

async function boot(
  kernel: GuestKernel,
  scratch: string,
  programs: readonly string[],
): Promise<GuestResult> {
  const started = performance.now();
  const drives = ['ext4', 'btrfs'].flatMap((name) => [
    '-drive',
    `file=${join(scratch, name)},format=raw,if=virtio,cache=unsafe`,
  ]);
  const commandLine = [
    'console=ttyS0 quiet loglevel=3 panic=-1 rdinit=/bin/node --',
    '/onecopy/test/host/qemu/guest-init.ts',
    ...programs,
  ].join(' ');
  const machine = spawn('qemu-system-x86_64', [
    ...['-machine', 'q35,accel=tcg', '-cpu', CPU, '-smp', '2', '-m', `${MEMORY_MIB}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', join(scratch, 'initramfs')],
    ...['-append', commandLine, ...drives],
  ]);
  const pieces: Buffer[] = [];
  machine.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  machine.stderr.on('data', (piece: Buffer) => pieces.push(piece));
  const timer = setTimeout(() => machine.kill('SIGKILL'), GUEST_TIMEOUT_MS);
  await new Promise<void>((resolve, reject) => {
    machine.on('error', reject);
    machine.on('close', () => resolve());
  });
  clearTimeout(timer);
  const output = Buffer.concat(pieces).toString().replaceAll('\r', '');
  const status = EXIT_LINE.exec(output)?.[1];
  return {
    status: status === undefined ? undefined : Number(status),
    output,
    elapsedMs: performance.now() - started,
  };
}
