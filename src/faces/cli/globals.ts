import { UsageError } from '#base/errors';
import type { RepositoryChoice } from '#work/repository';
import type { VerbRow } from '#work/verbs';
import { PROGRESS_MODES, type ProgressMode } from './progress.ts';

/** Options of every verb: flags in the syntax of commander, and their help. */
export const GLOBAL_OPTIONS: readonly (readonly [flags: string, says: string])[] = [
  [
    '--repo <path>',
    'path of the repository (default: ONECOPY_REPO, else --system for root and --user for others)',
  ],
  ['--user', 'use the repository of the user, ~/.var/lib/composefs'],
  ['--system', 'use the repository of the system, /sysroot/composefs'],
  ['--sysroot <dir>', 'system whose stores `unified` verbs use (default: /sysroot)'],
  ['--json', 'print exactly one JSON document on stdout; of an error, on stderr'],
  ['--progress <mode>', 'form of the progress display: auto, plain, json or none'],
  ['--progress-fd <n>', 'also write progress as JSON lines to this file descriptor'],
  ['-q, --quiet', 'print no progress, no notes, and no report of what was changed'],
  ['-v, --verbose', 'print details on stderr'],
  ['--no-color', 'print no colours (also NO_COLOR)'],
  ['-n, --dry-run', 'print what the command would do; change nothing'],
  ['-y, --yes', 'answer yes to questions'],
  ['--jobs <n>', 'number of threads (default: number of processors)'],
  ['--no-trunc', 'do not shorten digests'],
  ['--no-init', 'do not create a missing repository'],
  ['--require-verity', 'fail if the repository does not enforce fs-verity'],
];

/** The parsed global options. */
export interface GlobalOptions {
  readonly repo?: string;
  readonly user?: boolean;
  readonly system?: boolean;
  readonly sysroot?: string;
  readonly json?: boolean;
  readonly progress?: string;
  readonly progressFd?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly jobs?: string;
  readonly init?: boolean;
  readonly requireVerity?: boolean;
  readonly trunc?: boolean;
}

/** The repository that the options select. @throws UsageError when more than one is named */
export function selectionOf(options: GlobalOptions): RepositoryChoice {
  const named = [options.repo !== undefined, options.user === true, options.system === true];
  if (named.filter(Boolean).length > 1) {
    throw new UsageError('Cannot choose a repository: expected one of --repo, --user and --system');
  }
  if (options.repo === '') {
    throw new UsageError(
      'Cannot choose a repository: expected a path after --repo, found an empty text',
    );
  }
  if (options.user === true) return { user: true };
  if (options.system === true) return { system: true };
  const path = options.repo ?? process.env['ONECOPY_REPO'];
  return path === undefined || path === '' ? {} : { path };
}

/**
 * Refuses an option that selects a store which the verb does not use: ignored, it would select another one silently.
 * @throws UsageError
 */
export function refuseStrayStore({ name, group }: VerbRow, options: GlobalOptions): void {
  const { repo, user, system, sysroot } = options;
  if (group !== 'unified') {
    if (sysroot === undefined) return;
    throw new UsageError(
      `Cannot run ${name}: --sysroot applies to the unified verbs`,
      'Select a repository with --repo',
    );
  }
  const given = [
    ['--repo', repo] as const,
    ['--user', user] as const,
    ['--system', system] as const,
  ];
  const [stray] = given.filter(([, value]) => value !== undefined);
  if (stray === undefined) return;
  throw new UsageError(
    `Cannot run ${name}: ${stray[0]} does not apply, because the stores of a system are below its sysroot`,
    'Select a system with --sysroot',
  );
}

/** Parses an option that must be a whole number. @throws UsageError */
export function wholeNumber(text: string | undefined, option: string, min = 0): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(
    `Cannot read ${option}: expected a whole number from ${min}, found "${text}"`,
  );
}

/** A number, then a unit: as in coreutils, `k` and `KiB` are 1024 bytes, and `kB` is 1000 bytes. */
const SIZE = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(i?b)?|b)?$/i;

/** Parses an option that must be a size in bytes, for example `4096`, `64k` or `1.5GiB`. @throws UsageError */
export function sizeBytes(text: string, option: string): number {
  const [, number, prefix, unit = 'iB'] = SIZE.exec(text) ?? [];
  const base = unit.length === 1 ? 1000 : 1024;
  const factor = prefix === undefined ? 1 : base ** ('kmgtp'.indexOf(prefix.toLowerCase()) + 1);
  const value = Math.round(Number(number) * factor);
  const isWhole = prefix !== undefined || /^\d+$/.test(number ?? '');
  if (isWhole && Number.isSafeInteger(value)) return value;
  throw new UsageError(
    `Cannot read ${option}: expected a size such as 4096, 64k or 1.5G, found "${text}"`,
  );
}

/** The progress mode that the options select; none with `--json`, unless `--progress` is given. @throws UsageError */
export function progressModeOf({ progress, quiet, json }: GlobalOptions): ProgressMode {
  const mode = progress ?? (quiet === true || json === true ? 'none' : 'auto');
  const found = PROGRESS_MODES.find((one) => one === mode);
  if (found !== undefined) return found;
  throw new UsageError(
    `Cannot read --progress: expected ${PROGRESS_MODES.join(', ')}, found "${mode}"`,
  );
}
