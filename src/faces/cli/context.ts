import type { OperationOptions, ProgressListener } from '#base/flow';
import type { Output } from './output.ts';
import { UsageError } from './output.ts';
import type { ProgressMode } from './progress.ts';

/** Options that every verb takes, as commander delivers them. */
export interface GlobalOptions {
  readonly repo?: string;
  readonly user?: boolean;
  readonly system?: boolean;
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

/** Which repository a run is about; none of the three means: environment, then the user's default. */
export interface RepositorySelection {
  readonly path?: string;
  readonly user?: boolean;
  readonly system?: boolean;
}

/** What a verb gets beside its own operands and options. */
export interface Context {
  readonly out: Output;
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener;
  /** Signal and progress, ready to pass down. */
  readonly operation: OperationOptions;
  readonly selection: RepositorySelection;
  readonly dryRun: boolean;
  readonly noTrunc: boolean;
  readonly assumeYes: boolean;
  readonly mayInit: boolean;
  readonly requireVerity: boolean;
  readonly jobs: number | undefined;
}

/** A verb: returns its exit status, nothing means 0. */
export type Action = (
  context: Context,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
) => Promise<number | undefined>;

/** The repository that the global options select. @throws UsageError when more than one is named */
export function selectionOf(options: GlobalOptions): RepositorySelection {
  const named = [options.repo !== undefined, options.user === true, options.system === true];
  if (named.filter(Boolean).length > 1) {
    throw new UsageError('Cannot choose a repository: expected one of --repo, --user and --system');
  }
  if (options.user === true) return { user: true };
  if (options.system === true) return { system: true };
  const path = options.repo ?? process.env['ONECOPY_REPO'];
  return path === undefined || path === '' ? {} : { path };
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

/** Values of `--progress`. */
export const PROGRESS_MODES: readonly string[] = ['auto', 'plain', 'json', 'none'];

/** The progress mode that the global options choose. @throws UsageError */
export function progressModeOf(options: GlobalOptions): ProgressMode {
  const mode = options.progress ?? (options.quiet === true ? 'none' : 'auto');
  if (PROGRESS_MODES.includes(mode)) return mode as ProgressMode;
  throw new UsageError(
    `Cannot read --progress: expected ${PROGRESS_MODES.join(', ')}, found "${mode}"`,
  );
}

/** An option's value as text, when it was given. */
export function textOption(
  options: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** True when a flag was given. */
export function flag(options: Readonly<Record<string, unknown>>, name: string): boolean {
  return options[name] === true;
}
