/**
 * Drop-in for C composefs-info: `ls`, `dump`, `objects`, `missing-objects` and `measure-file`, with the output and the exit
 * status of C. Options may stand before or after the command.
 */

import { UsageError } from '#base/errors';
import { stdout } from '#faces/terminal';
import {
  dumpImageFile,
  type ListedEntry,
  listBackingPaths,
  listImage,
  listMissing,
  measureFile,
  type OpenedImage,
  openImageFile,
} from '#work/compose';
import { escapeName } from './escape.ts';
import { lastValue, type OptionTable, parseOptions } from './options.ts';
import { IS_CFSCTL, printLines, printsVersion, runTool, ToolError } from './run.ts';

const PROGRAM = 'composefs-info';
const USAGE =
  'usage: composefs-info [--basedir=path] [--filter=name]... [ls|objects|dump|missing-objects|measure-file] IMAGES...\n';

/** The options of composefs-info. The manual page is made from this table. */
export const OPTIONS: OptionTable = {
  basedir: { value: 'PATH', says: 'directory of the objects that missing-objects looks for' },
  filter: {
    value: 'NAME',
    says: 'look only at this entry of the root directory; may be repeated',
  },
  help: { says: 'print the usage' },
};

/** What each command prints, for the manual page. */
export const COMMANDS = {
  ls: 'list the files of the images, each with the object that holds its content',
  objects: 'list the objects that the images refer to',
  dump: 'print the images as composefs dumpfiles',
  'missing-objects': 'list the objects that the images refer to and that --basedir does not hold',
  'measure-file': 'print the fs-verity digests of plain files',
} as const;

/** Runs composefs-info with arguments (without the program's name) and returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runTool(PROGRAM, USAGE, async () => {
    if (printsVersion(PROGRAM, argv)) return;
    const options = parseOptions(argv, OPTIONS, PROGRAM);
    if (options.flags.has('help')) {
      stdout.stream.write(USAGE);
      return;
    }
    const [command, ...paths] = options.operands;
    if (command === undefined) throw new UsageError('No command specified');
    const known = commandOf(command);
    if (known === undefined) throw new UsageError(`${PROGRAM}: Unknown command '${command}'`);
    // composefs-rs does nothing for no image, but to look for objects it needs one.
    if (paths.length === 0 && IS_CFSCTL && command !== 'missing-objects') return;
    if (paths.length === 0) throw new UsageError('No image path specified');
    if (known === 'measure-file') {
      for (const path of paths) await printLines([`${measureFile(path)}\n`]);
      return;
    }
    const filter = options.values.get('filter') ?? [];
    const path = filter.find((name) => name.includes('/'));
    if (path !== undefined) throw new ToolError(`Filter must be a single name: ${path}`);
    if (known === 'ls' || known === 'dump') {
      const print = known === 'ls' ? listing : dumpImageFile;
      for (const path of paths) await printLines(print(openImageFile(path, filter)));
      return;
    }
    const basedir = lastValue(options, 'basedir');
    if (IS_CFSCTL && known === 'missing-objects' && basedir === undefined) {
      throw new UsageError('No base directory specified');
    }
    const needed = listBackingPaths(paths.map((path) => openImageFile(path, filter)));
    const shown = known === 'objects' ? needed : listMissing(needed, basedir);
    await printLines(shown.map((path) => `${path}\n`));
  });
}

function commandOf(word: string): keyof typeof COMMANDS | undefined {
  return Object.hasOwn(COMMANDS, word) ? (word as keyof typeof COMMANDS) : undefined;
}

function* listing(opened: OpenedImage): Generator<string> {
  for (const entry of listImage(opened)) yield `${listingLine(entry)}\n`;
}

function listingLine({ path, isDirectory, target, backingPath }: ListedEntry): string {
  const name = escapeName(path, true);
  if (isDirectory) return `${name}/\t`;
  if (target !== undefined) return `${name}\t-> ${escapeName(target, false)}`;
  return backingPath === undefined ? name : `${name}\t@ ${escapeName(backingPath, false)}`;
}

if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
