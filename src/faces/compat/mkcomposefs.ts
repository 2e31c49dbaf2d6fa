/**
 * Drop-in for C mkcomposefs: same options, same image bytes, same exit status (0, or 1 for every failure). In addition, it has
 * `--hardlinks`, as in composefs-rs. `--threads` is validated and otherwise ignored.
 */

import { UsageError } from '#base/errors';
import { stderr, stdout } from '#faces/terminal';
import {
  type ComposeSource,
  composeImage,
  computeImageId,
  readDirectory,
  readDumpfile,
  writeImage,
} from '#work/compose';
import {
  lastValue,
  type OptionTable,
  type ParsedOptions,
  parseOptions,
  spellOption,
} from './options.ts';
import { IS_CFSCTL, printsVersion, runTool, ToolError } from './run.ts';

const PROGRAM = 'mkcomposefs';
/** Columns of an option in the help. */
const TERM_WIDTH = 22;

/** The options of mkcomposefs. The help and the manual page are made from this table. */
export const OPTIONS: OptionTable = {
  'digest-store': { value: 'PATH', says: 'Store content files in this directory' },
  'use-epoch': { says: 'Make all mtimes zero' },
  'skip-devices': { says: "Don't store device nodes" },
  'skip-xattrs': { says: "Don't store file xattrs" },
  'user-xattrs': { says: 'Only store user.* xattrs' },
  'print-digest': { says: 'Print the digest of the image' },
  'print-digest-only': { says: "Print the digest of the image, don't write image" },
  'from-file': { says: 'The source is a dump file, not a directory' },
  'min-version': { value: 'N', says: 'Use this minimal format version (default=0)' },
  'max-version': { value: 'N', says: 'Use this maximum format version (default=1)' },
  hardlinks: { says: 'Keep the hard links of the source directory' },
  threads: { value: 'N', says: 'Accepted for compatibility' },
  help: { says: 'Print this help' },
};

const USAGE = [
  'Usage: mkcomposefs [OPTIONS] SOURCE IMAGE',
  'Options:',
  ...Object.entries(OPTIONS).map(
    ([name, option]) => `  ${spellOption(name, option).padEnd(TERM_WIDTH)}${option.says}`,
  ),
  '',
].join('\n');

/** Options for a source directory, which C ignores for a dumpfile. */
const DIRECTORY_ONLY = ['use-epoch', 'skip-devices', 'skip-xattrs', 'user-xattrs', 'hardlinks'];

/** Runs mkcomposefs with arguments (without the program's name) and returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runTool(PROGRAM, USAGE, () => {
    if (printsVersion(PROGRAM, argv)) return;
    const options = parseOptions(argv, OPTIONS, PROGRAM);
    if (options.flags.has('help')) {
      stdout.stream.write(USAGE);
      return;
    }
    const { source, image } = readOperands(options);
    const range = { min: versionOf(options, 'min', 0), max: versionOf(options, 'max', 1) };
    if (IS_CFSCTL && range.min > range.max) {
      throw new ToolError(`--min-version ${range.min} is above --max-version ${range.max}`);
    }
    const threads = lastValue(options, 'threads');
    if (threads !== undefined && !/^[1-9][0-9]{0,8}$/.test(threads)) {
      throw new UsageError(`Invalid threads count ${threads}`);
    }
    const bytes = composeImage(readSource(source, options), range);
    if (image !== undefined) writeImage(bytes, image);
    if (options.flags.has('print-digest') || image === undefined) {
      stdout.stream.write(`${computeImageId(bytes)}\n`);
    }
  });
}

function readOperands(options: ParsedOptions): { source: string; image: string | undefined } {
  const [source, image, ...rest] = options.operands;
  if (source === undefined) throw new UsageError('No source path specified');
  if (source === '') throw new UsageError('Empty source path specified');
  const isDigestOnly = options.flags.has('print-digest-only');
  // By the name of cfsctl these two are failures of the work, with its exit code.
  const Refusal = IS_CFSCTL ? ToolError : UsageError;
  if (isDigestOnly && image !== undefined) {
    throw new Refusal('Cannot specify destination path with --print-digest-only');
  }
  if (!isDigestOnly && image === undefined) throw new Refusal('No destination path specified');
  if (rest.length > 0) throw new UsageError('Too many arguments');
  return { source, image };
}

function versionOf(options: ParsedOptions, end: 'min' | 'max', byDefault: number): number {
  const text = lastValue(options, `${end}-version`);
  if (text === undefined) return byDefault;
  if (!/^[0-9]{1,9}$/.test(text)) throw new UsageError(`Invalid ${end} version ${text}`);
  return Number(text);
}

function readSource(source: string, options: ParsedOptions): ComposeSource {
  const { flags } = options;
  const digestStore = lastValue(options, 'digest-store');
  if (flags.has('from-file')) {
    const ignored = DIRECTORY_ONLY.filter((name) => flags.has(name));
    if (digestStore !== undefined) ignored.push('digest-store');
    for (const name of ignored) {
      stderr.stream.write(`${PROGRAM}: warning: --${name} has no effect with --from-file\n`);
    }
    return readDumpfile(source);
  }
  const common = {
    useEpoch: flags.has('use-epoch'),
    skipDevices: flags.has('skip-devices'),
    xattrs: flags.has('skip-xattrs') ? 'none' : flags.has('user-xattrs') ? 'user' : 'all',
    trackHardlinks: flags.has('hardlinks'),
  } as const;
  return readDirectory(source, digestStore === undefined ? common : { ...common, digestStore });
}

if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
