import { UsageError } from './output.ts';
import type { OptionRow } from './verbs.ts';

/** The long flag of an option, for example `--gpg-key`. */
export function longFlagOf([flags]: OptionRow): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

/** True when the command line has the option: commander keeps `--no-x` as `x: false`, repeated ones as a list. */
function isGiven(row: OptionRow, options: Readonly<Record<string, unknown>>): boolean {
  const name = longFlagOf(row).slice('--'.length);
  const isNegated = name.startsWith('no-');
  const key = (isNegated ? name.slice('no-'.length) : name).replace(/-(\w)/g, (_, letter: string) =>
    letter.toUpperCase(),
  );
  const value = options[key];
  if (isNegated) return value === false;
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

/**
 * Refuses options that say nothing about what they are given for: ignored, a demand such as `--gpg-key` would be taken as fulfilled.
 * @param rows the options that do not apply
 * @param subject what they do not apply to, for example `pull oci:app`
 * @throws UsageError
 */
export function refuseOptions(
  rows: readonly OptionRow[],
  options: Readonly<Record<string, unknown>>,
  subject: string,
): void {
  const given = rows.filter((row) => isGiven(row, options)).map(longFlagOf);
  if (given.length === 0) return;
  throw new UsageError(
    `Cannot ${subject}: ${given.join(', ')} ${given.length === 1 ? 'does' : 'do'} not apply to this kind of reference`,
  );
}
