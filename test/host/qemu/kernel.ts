import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A Debian kernel with fs-verity, fetched with apt into a scratch configuration: nothing of the system changes. It is kept in
 * `.cache/qemu`, so only the first run downloads (34 MB).
 */
const CACHE = fileURLToPath(new URL('../../../.cache/qemu', import.meta.url));
const KERNEL = join(CACHE, 'kernel');
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Suites that carry Linux 6.12 or newer, the first version that mounts EROFS from a plain file. */
const SUITES = ['bookworm-backports', 'trixie'];
const METAPACKAGE = 'linux-image-cloud-amd64';

/** An unpacked kernel package. */
export interface GuestKernel {
  /** Path of the bootable image. */
  readonly image: string;
  /** Folder with its modules (`*.ko.xz`). */
  readonly modules: string;
}

/** The kernel, or the reason why there is none. */
export function fetchGuestKernel(): GuestKernel | string {
  if (process.arch !== 'x64') return `no kernel is known for ${process.arch}`;
  const known = findKernel();
  if (known !== undefined) return known;
  if (!existsSync(KEYRING)) return 'this is not Debian: there is no Debian archive keyring';
  const reasons: string[] = [];
  for (const suite of SUITES) {
    const reason = download(suite);
    const kernel = findKernel();
    if (kernel !== undefined) return kernel;
    reasons.push(`${suite}: ${reason}`);
  }
  return reasons.join('; ');
}

function findKernel(): GuestKernel | undefined {
  const boot = join(KERNEL, 'boot');
  if (!existsSync(boot)) return undefined;
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) return undefined;
  const version = image.slice('vmlinuz-'.length);
  const modules = ['usr/lib/modules', 'lib/modules']
    .map((folder) => join(KERNEL, folder, version))
    .find((folder) => existsSync(folder));
  return modules === undefined ? undefined : { image: join(boot, image), modules };
}

/**
 * Downloads and unpacks the newest cloud kernel of a suite; returns what went wrong, or the empty string. Tests run side by side, so each
 * works in a folder of its own, and the first to be done gives the kernel its name.
 */
function download(suite: string): string {
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'apt-'));
  try {
    const unpacked = join(scratch, 'kernel');
    const reason = unpackKernel(suite, scratch, unpacked);
    if (reason === '' && !existsSync(KERNEL)) renameSync(unpacked, KERNEL);
    return reason;
  } catch (error) {
    return findKernel() === undefined ? String(error) : '';
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function unpackKernel(suite: string, apt: string, into: string): string {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs']) {
    mkdirSync(join(apt, folder), { recursive: true });
  }
  const archive = debianArchive();
  if (archive === undefined) return 'apt knows no Debian archive';
  const source = `deb [signed-by=${KEYRING}] ${archive} ${suite} main\n`;
  writeFileSync(join(apt, 'sources.list'), source);
  const settings = [
    `Dir::Etc::sourcelist=${join(apt, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State=${join(apt, 'state')}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${join(apt, 'cache')}`,
    'APT::Architecture=amd64',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=20',
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
  ].flatMap((setting) => ['-o', setting]);
  const run = (program: string, ...parameters: string[]) =>
    spawnSync(program, parameters, { cwd: join(apt, 'debs'), encoding: 'utf8', timeout: 90_000 });
  const updated = run('apt-get', ...settings, '-q', 'update');
  if (updated.status !== 0) return lastLine(updated.stderr, 'apt-get update failed');
  const shown = run('apt-cache', ...settings, 'depends', METAPACKAGE);
  const name = /Depends: (linux-image-\S+-cloud-amd64)/.exec(shown.stdout)?.[1];
  if (name === undefined) return `there is no ${METAPACKAGE}`;
  const fetched = run('apt-get', ...settings, '-q', 'download', name);
  const deb = readdirSync(join(apt, 'debs')).find((file) => file.endsWith('.deb'));
  if (deb === undefined) return lastLine(fetched.stderr, 'apt-get download failed');
  const unpacked = run('dpkg-deb', '-x', deb, into);
  return unpacked.status === 0 ? '' : lastLine(unpacked.stderr, 'dpkg-deb failed');
}

/** Where this system's apt fetches Debian from: the archive that has the suite `*-updates` too. */
function debianArchive(): string | undefined {
  const format = ['indextargets', '--format', '$(ORIGIN) $(RELEASE) $(REPO_URI)'];
  const { stdout } = spawnSync('apt-get', format, { encoding: 'utf8' });
  return /^Debian \S+-updates (\S+)$/m.exec(stdout ?? '')?.[1];
}

function lastLine(text: string | null, otherwise: string): string {
  return (text ?? '').trim().split('\n').at(-1) || otherwise;
}

/** One kernel module, decompressed. */
export interface KernelModule {
  readonly name: string;
  readonly content: Uint8Array;
}

/** The named modules and what they depend on, in the order in which they must be inserted. Names not found are built in. */
export function readKernelModules(kernel: GuestKernel, names: readonly string[]): KernelModule[] {
  const files = new Map<string, string>();
  for (const path of readdirSync(kernel.modules, { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.ko.xz')) {
      files.set(moduleName(basename(path, '.ko.xz')), join(kernel.modules, path));
    }
  }
  const ordered = new Map<string, KernelModule>();
  const add = (name: string) => {
    const path = files.get(name);
    if (path === undefined || ordered.has(name)) return;
    const content = spawnSync('xz', ['-dc', path], { maxBuffer: 1 << 28 }).stdout;
    for (const below of dependenciesOf(content)) add(below);
    ordered.set(name, { name, content });
  };
  for (const name of names) add(moduleName(name));
  return [...ordered.values()];
}

/** Modules are named with underscores, their files sometimes with dashes. */
function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

/** The `depends=` and `softdep=pre:` entries of a module's .modinfo section (NUL separated text). */
function dependenciesOf(content: Buffer): string[] {
  const text = content.toString('latin1');
  const hard = /\0depends=([^\0]*)\0/.exec(text)?.[1]?.split(',') ?? [];
  const soft = [...text.matchAll(/\0softdep=pre: ([^\0]*)\0/g)].flatMap(
    (match) => match[1]?.split(' ') ?? [],
  );
  return [...hard, ...soft].filter((name) => name !== '').map(moduleName);
}
