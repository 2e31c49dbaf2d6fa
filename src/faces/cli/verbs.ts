import type { Action } from './context.ts';

/** An option: flags as commander reads them, its help text, and `repeated` when it may be given several times. */
export type OptionRow = readonly [flags: string, description: string, repeated?: 'repeated'];

/** One verb of the command line. Its code is loaded only when it runs. */
export interface Verb {
  /** Name and operands, for example `pull <reference> [name]`. */
  readonly usage: string;
  readonly summary: string;
  readonly options?: readonly OptionRow[];
  /** Text after the options, for examples. */
  readonly help?: string;
  readonly hidden?: boolean;
  readonly verbs?: readonly Verb[];
  readonly load?: () => Promise<Action>;
}

/** Options of every verb. */
export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  [
    '--repo <path>',
    'the repository (else ONECOPY_REPO, else --system for root and --user for others)',
  ],
  ['--user', "the user's repository, ~/.var/lib/composefs"],
  ['--system', "the system's repository, /sysroot/composefs"],
  ['--json', 'print exactly one JSON document on stdout'],
  ['--progress <mode>', 'auto, plain, json or none'],
  ['--progress-fd <n>', 'also write progress as JSON lines to this descriptor'],
  ['-q, --quiet', 'no progress, no notes'],
  ['-v, --verbose', 'say more on stderr'],
  ['--no-color', 'no colours (also NO_COLOR)'],
  ['-n, --dry-run', 'say what would be done and do nothing'],
  ['-y, --yes', 'do not ask'],
  ['--jobs <n>', 'how many workers at most'],
  ['--no-trunc', 'print digests whole in tables'],
  ['--no-init', 'do not create a missing repository'],
  ['--require-verity', 'refuse a repository without fs-verity'],
];

/** The verbs, in the order of the help page. A verb that is not built is absent. */
export const VERBS: readonly Verb[] = [];
