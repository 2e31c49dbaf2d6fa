/**
 * Drop-in for C composefs-fuse: mounts an image without root. The command line is that of libfuse: `-o` may be repeated and stand anywhere,
 * and the one operand is the mount point.
 */
import { UsageError } from '#base/errors';
import { stdout } from '#faces/terminal';
import { type FuseFileOptions, mountImageFileByFuse } from '#work/mount';
import { type MountOption, splitMountOptions } from './mount-options.ts';
import type { Described } from './options.ts';
import { runTool, ToolError } from './run.ts';
import { type LetterTable, parseLetters } from './short-options.ts';

const PROGRAM = 'composefs-fuse';
const USAGE = 'usage: composefs-fuse [options] -o source=IMAGE,basedir=DIR MOUNTPOINT\n';
const LETTERS: LetterTable = { o: true, d: false, f: false, s: false, h: false, V: false };
/** The version of the program whose command line this is. */
const VERSION = 'composefs-fuse 1.0.8';

/** The words behind `-o`. The manual page is made from this table. */
export const FUSE_OPTIONS: Readonly<Record<string, Described>> = {
  source: { value: 'IMAGE', says: 'image file; required' },
  basedir: { value: 'DIR', says: 'directory of objects; required' },
  noacl: { says: 'hide access control lists' },
  allow_other: { says: 'let other users read the mount' },
  fsname: { value: 'NAME', says: 'source in the mount table (default: composefs-fuse)' },
  subtype: {
    value: 'NAME',
    says: 'type in the mount table behind "fuse." (default: composefs-fuse)',
  },
  debug: { says: 'stay in the foreground' },
  ro: { says: 'accepted for compatibility: the mount is read-only in any case' },
  rw: { says: 'accepted for compatibility: the mount is read-only in any case' },
  auto_unmount: { says: 'accepted for compatibility' },
  default_permissions: {
    says: 'accepted for compatibility: the kernel checks permissions in any case',
  },
  clone_fd: { says: 'accepted for compatibility' },
  max_idle_threads: { value: 'N', says: 'accepted for compatibility' },
  max_threads: { value: 'N', says: 'accepted for compatibility' },
};

/** The letters of libfuse. The manual page is made from this table. */
export const LETTER_HELP: Readonly<Record<string, Described>> = {
  o: { value: 'OPTIONS', says: 'mount options, separated by commas; may be repeated' },
  f: { says: 'stay in the foreground' },
  d: { says: 'stay in the foreground' },
  s: { says: 'accepted for compatibility' },
  h: { says: 'print the usage' },
  V: { says: 'print the version' },
};

/** Runs composefs-fuse with arguments (without the program's name) and returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runTool(PROGRAM, USAGE, async () => {
    const words = argv.map((word) =>
      word === '--help' ? '-h' : word === '--version' ? '-V' : word,
    );
    const { letters, operands } = parseLetters(words, LETTERS, PROGRAM);
    const has = (wanted: string) => letters.some(({ letter }) => letter === wanted);
    if (has('h') || has('V')) {
      stdout.stream.write(has('h') ? USAGE : `${VERSION}\n`);
      return;
    }
    const [target, ...rest] = operands;
    if (target === undefined) throw new UsageError('No mount point specified');
    if (rest.length > 0) throw new ToolError(`invalid argument "${rest[0]}"`);
    const lists = letters.flatMap(({ letter, value }) => (letter === 'o' ? [value ?? ''] : []));
    const options = readFuseOptions(lists);
    await mountImageFileByFuse(target, {
      ...options,
      foreground: options.foreground || has('f') || has('d'),
    });
  });
}

/** What the words behind all `-o` ask for. @throws ToolError */
export function readFuseOptions(lists: readonly string[]): FuseFileOptions {
  const given = lists.flatMap(splitMountOptions).filter(({ name }) => name !== '');
  const unknown = given.find(({ name }) => !Object.hasOwn(FUSE_OPTIONS, name));
  if (unknown !== undefined) throw new ToolError(`unknown option(s): "-o ${unknown.name}"`);
  const last = (name: string) => requireValue(given.findLast((option) => option.name === name));
  const [image, objects] = [last('source'), last('basedir')];
  if (image === undefined) throw new ToolError('Expected an image: -o source=IMAGE');
  if (objects === undefined) throw new ToolError('Expected a directory of objects: -o basedir=DIR');
  const has = (wanted: string) => given.some(({ name }) => name === wanted);
  return {
    image,
    objects,
    hidesAccessLists: has('noacl'),
    allowOther: has('allow_other'),
    sourceName: last('fsname') ?? PROGRAM,
    subtype: last('subtype') ?? PROGRAM,
    foreground: has('debug'),
  };
}

function requireValue(option: MountOption | undefined): string | undefined {
  if (option === undefined) return undefined;
  if (option.value === undefined || option.value === '')
    throw new ToolError(`No value specified for option ${option.name}`);
  return option.value;
}

if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
