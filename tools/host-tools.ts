/**
 * The Debian packages whose programs the host tests run, and their installation. Only root on Debian installs;
 * elsewhere the tests that want a missing program are skipped and listed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const PACKAGE_BY_PROGRAM: Readonly<Record<string, string>> = {
  'fsck.erofs': 'erofs-utils',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  'docker-registry': 'docker-registry',
  fsverity: 'fsverity',
  fusermount3: 'fuse3',
  getfattr: 'attr',
  gpg: 'gnupg',
  man: 'man-db',
  newuidmap: 'uidmap',
  nginx: 'nginx-light',
  ostree: 'ostree',
  podman: 'podman',
  'qemu-system-x86_64': 'qemu-system-x86',
  skopeo: 'skopeo',
  umoci: 'umoci',
  zstd: 'zstd',
};
/**
 * Libraries that a host may have, by the file that the dynamic linker looks for; each with its package in Debian 12 and in later ones,
 * and the processors that it is for.
 */
const PACKAGE_BY_LIBRARY: Readonly<
  Record<string, readonly [bookworm: string, later: string, processors: readonly string[]]>
> = {
  libIPSec_MB: ['libipsec-mb1', 'libipsec-mb2', ['x64']],
  libisal: ['libisal2', 'libisal2', ['x64', 'arm64']],
};
const LIBRARY_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'];
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Installs the missing packages after saying so. A failure is said and left to the tests' own capability checks. */
export function ensureHostTools(): void {
  const missing = [...missingPrograms(), ...missingLibraries()];
  if (missing.length === 0) return;
  const list = [...new Set(missing)].join(' ');
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    process.stdout.write(`onecopy: tests and benches want these Debian packages: ${list}\n`);
    return;
  }
  process.stdout.write(
    `onecopy: installing Debian packages for the tests and benches: ${list}\n` +
      '  (npm test -- --no-install, or ONECOPY_NO_INSTALL=1, leaves the system alone)\n',
  );
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { stdio: ['ignore', 'ignore', 'inherit'] as const, env };
  spawnSync('apt-get', ['update', '-q'], { ...options, stdio: [...options.stdio] });
  const done = spawnSync(
    'apt-get',
    ['install', '-q', '-y', '--no-install-recommends', ...list.split(' ')],
    { ...options, stdio: [...options.stdio] },
  );
  if (done.status !== 0)
    process.stdout.write('onecopy: apt-get failed; the tests say what they miss\n');
}

function missingPrograms(): string[] {
  return Object.entries(PACKAGE_BY_PROGRAM)
    .filter(([program]) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)))
    .map(([, name]) => name);
}

function missingLibraries(): string[] {
  if (!existsSync('/etc/debian_version')) return [];
  const isBookworm = readFileSync('/etc/debian_version', 'utf8').startsWith('12');
  const files = LIBRARY_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder),
  );
  return Object.entries(PACKAGE_BY_LIBRARY)
    .filter(([, [, , processors]]) => processors.includes(process.arch))
    .filter(([library]) => !files.some((file) => file.startsWith(`${library}.so.`)))
    .map(([, [bookworm, later]]) => (isBookworm ? bookworm : later));
}
