/**
 * Drop-in for C mount.composefs, the helper that mount(8) starts for `mount -t composefs`. In addition, it takes the letters that mount(8)
 * passes to helpers: `-n`, `-v`, `-s` (ignore unknown options) and `-f` (check the command line and mount nothing).
 */
import { parseObjectId } from '#base/digest';
import { isOnecopyError, UsageError } from '#base/errors';
import { stdout } from '#faces/terminal';
import { type MountFileOptions, mountImageFile } from '#work/mount';
import { type MountOption, splitMountOptions } from './mount-options.ts';
import type { Described } from './options.ts';
import { runTool, ToolError } from './run.ts';
import { type LetterTable, parseLetters } from './short-options.ts';

const PROGRAM = 'mount.composefs';
const USAGE = 'usage: mount.composefs [-t type] [-o opt[,opts..]] IMAGE MOUNTPOINT\n';
/** Digits of the digest of an image: C images have SHA-256. */
const SHA256_DIGITS = 64;
const LETTERS: LetterTable = { t: true, o: true, n: false, s: false, v: false, f: false };

/** The words behind `-o`. The manual page is made from this table. */
export const MOUNT_OPTIONS: Readonly<Record<string, Described>> = {
  basedir: {
    value: 'PATH[:PATH]',
    says: 'directories of objects; at least one is required, and the first that has an object gives it',
  },
  digest: {
    value: 'DIGEST',
    says: 'fs-verity digest (SHA-256) that the kernel must measure for the image; implies verity',
  },
  verity: { says: 'the kernel checks each file against the fs-verity digest in the image' },
  tryverity: { says: 'as verity, if the kernel supports it' },
  idmap: {
    value: 'PATH',
    says: 'user namespace whose id mapping applies to the owners in the image',
  },
  upperdir: { value: 'PATH', says: 'directory for changes; needs workdir' },
  workdir: { value: 'PATH', says: 'empty directory on the filesystem of upperdir' },
  ro: { says: 'mount read-only' },
  rw: { says: 'mount read-write (default); nothing can be written without upperdir' },
};

/** The letters that mount(8) passes. The manual page is made from this table. */
export const LETTER_HELP: Readonly<Record<string, Described>> = {
  t: { value: 'TYPE', says: 'must be composefs' },
  o: {
    value: 'OPTIONS',
    says: 'mount options, separated by commas; of several -o the last one counts',
  },
  s: { says: 'ignore unknown mount options' },
  f: { says: 'check the command line, and mount nothing' },
  n: { says: 'accepted for compatibility' },
  v: { says: 'accepted for compatibility' },
};

/** Runs mount.composefs with arguments (without the program's name) and returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runTool(PROGRAM, USAGE, () => {
    if (argv.includes('--help')) {
      stdout.stream.write(USAGE);
      return;
    }
    const { letters, operands } = parseLetters(argv, LETTERS, PROGRAM);
    const valueOfLetter = (wanted: string) =>
      letters.findLast(({ letter }) => letter === wanted)?.value;
    const has = (wanted: string) => letters.some(({ letter }) => letter === wanted);
    const type = valueOfLetter('t') ?? 'composefs';
    if (type !== 'composefs') throw refused(`Unsupported fs type '${type}'`);
    const [image, target] = operands;
    if (image === undefined) throw new UsageError('No source path specified');
    if (target === undefined) throw new UsageError('No mount path specified');
    const options = readMountOptions(valueOfLetter('o'), has('s'));
    if (!has('f')) mount(image, target, options);
  });
}

/** What the words behind `-o` ask for. @throws UsageError, ToolError */
export function readMountOptions(list: string | undefined, isSloppy: boolean): MountFileOptions {
  const given = list === undefined ? [] : splitMountOptions(list);
  const unknown = given.find(({ name }) => !Object.hasOwn(MOUNT_OPTIONS, name));
  if (unknown !== undefined && !isSloppy) throw refused(`Unsupported option ${unknown.name}`);
  const last = (name: string) => given.findLast((option) => option.name === name);
  const [base, digest] = [requireValue(last('basedir')), requireValue(last('digest'))];
  const [upper, work] = [requireValue(last('upperdir')), requireValue(last('workdir'))];
  if (base === undefined) throw new UsageError('No object dirs specified');
  const objects = base.split(':');
  if (objects.includes('')) throw refused('Value for basedir option has incorrect format');
  if (digest !== undefined && digest.length !== SHA256_DIGITS)
    throw refused(`Value for digest option is no SHA-256 digest: "${digest}"`);
  if ((upper ?? '') === '' ? (work ?? '') !== '' : (work ?? '') === '')
    throw refused('Both workdir and upperdir must be specified if used');
  const mode = given.findLast(({ name }) => name === 'ro' || name === 'rw')?.name;
  return {
    objects,
    digest: digest === undefined ? undefined : parseObjectId(digest),
    verity: verityOf(given, digest !== undefined),
    writable: upper === undefined || upper === '' ? undefined : { upper, work: work as string },
    readOnly: mode === 'ro',
    idMap: requireValue(last('idmap')),
  };
}

/** Nothing weakens a demand: `verity` and `digest` outweigh `tryverity`. */
function verityOf(given: readonly MountOption[], hasDigest: boolean): 'off' | 'try' | 'require' {
  const has = (wanted: string) => given.some(({ name }) => name === wanted);
  if (hasDigest || has('verity')) return 'require';
  return has('tryverity') ? 'try' : 'off';
}

function requireValue(option: MountOption | undefined): string | undefined {
  if (option === undefined) return undefined;
  if (option.value === undefined) throw refused(`No value specified for ${option.name} option`);
  return option.value;
}

/** What the C program says of a failure, by code or errno. */
const REASONS: Readonly<Record<string, string>> = {
  VERITY_NOT_ENABLED: 'Image has no fs-verity',
  FSVERITY_UNSUPPORTED: 'Image has no fs-verity',
  OBJECT_DIGEST_MISMATCH: 'Image has wrong fs-verity',
  ENOENT: 'No such file or directory',
  EPERM: 'Operation not permitted',
  EACCES: 'Permission denied',
  EINVAL: 'Invalid argument',
};

function mount(image: string, target: string, options: MountFileOptions): void {
  try {
    mountImageFile(image, target, options);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    const name = String(error.details['errno'] ?? error.code);
    const reason = REASONS[name];
    throw refused(
      `Failed to mount composefs ${image}${reason === undefined ? '' : `: ${reason}`}`,
      error,
    );
  }
}

function refused(message: string, cause?: unknown): ToolError {
  return new ToolError(message, { cause });
}

if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
