/**
 * The first process of a guest: inserts the kernel modules, mounts the filesystems, runs the test files, says how it ended, and turns
 * the machine off. It runs on nothing but Node and our own host room, so booting it is a test as well.
 */
import { spawnSync } from 'node:child_process';
import { attachMountOver, Dir, MountContext } from '#host';
import { SLAB, slab, sys } from '../../../src/host/ffi/ffi.ts';

/** finit_module, reboot on x86-64 (unistd_64.h), and the numbers that reboot wants (Linux reboot.h). */
const FINIT_MODULE = 313;
const REBOOT = 169;
const REBOOT_MAGIC = [0xfee1dead, 672274793, 0x01234567] as const;

function mount(type: string, at: string, source?: string): void {
  using context = new MountContext(type);
  if (source !== undefined) context.setString('source', source);
  using mounted = context.mount();
  using target = Dir.open(at);
  attachMountOver(mounted, target);
}

function insertModules(): void {
  using folder = Dir.open('/modules');
  const names = folder.readEntries().map(({ name }) => name);
  for (const name of names.sort()) {
    using file = folder.openFile(name);
    const parameters = slab().address + SLAB.empty;
    if (sys.syscall(FINIT_MODULE, file.fd, parameters, 0, 0, 0, 0) !== 0) {
      process.stdout.write(`guest: cannot insert ${name}\n`);
    }
  }
}

/** Exit status of a test; undefined when a signal ended it, which no test of ours does: then the emulator broke Node. */
function runTest(program: string): number | undefined {
  const done = spawnSync(
    '/bin/node',
    ['--test', '--test-isolation=none', '--test-reporter=spec', `/onecopy/${program}`],
    { cwd: '/onecopy', stdio: 'inherit', env: { PATH: '/bin', TMPDIR: '/tmp', HOME: '/tmp' } },
  );
  return done.status ?? undefined;
}

/** Each in its own process: what one leaves open must not disturb the next. */
function runTests(programs: readonly string[]): number | undefined {
  for (const program of programs) {
    const status = runTest(program);
    if (status !== 0) return status;
  }
  return 0;
}

let status: number | undefined = 254;
try {
  mount('devtmpfs', '/dev');
  mount('proc', '/proc');
  mount('sysfs', '/sys');
  mount('tmpfs', '/tmp');
  insertModules();
  mount('ext4', '/ext4', '/dev/vda');
  mount('btrfs', '/btrfs', '/dev/vdb');
  status = runTests(process.argv.slice(2));
} catch (error) {
  process.stdout.write(`guest: ${String(error)}\n`);
}
if (status !== undefined) process.stdout.write(`ONECOPY-GUEST-EXIT ${status}\n`);
sys.syscall(REBOOT, ...REBOOT_MAGIC, 0, 0, 0);
