import { UsageError } from '#base/errors';

/**
 * Long options as in getopt_long: `--name`, `--name=value`, `--name value`, any unique prefix of a name, mixed with operands, and `--` to
 * end them.
 */

/** What a program says of an option. */
export interface Described {
  /** Placeholder of its value in the help, for example `PATH`; undefined for a flag. */
  readonly value?: string;
  /** What it does, as a phrase without a full stop. */
  readonly says: string;
}

/** The options of a tool by name, in the order of its help. */
export type OptionTable = Readonly<Record<string, Described>>;

/** An option as help and manual print it, for example `--filter=NAME`. */
export function spellOption(name: string, { value }: Described): string {
  return value === undefined ? `--${name}` : `--${name}=${value}`;
}

/** A parsed command line. A repeated option keeps all its values, in order. */
export interface ParsedOptions {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
}

/** Parses a command line. @throws UsageError with the message of getopt_long */
export function parseOptions(
  argv: readonly string[],
  table: OptionTable,
  program: string,
): ParsedOptions {
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  const queue = [...argv];
  for (let text = queue.shift(); text !== undefined; text = queue.shift()) {
    if (text === '--') {
      operands.push(...queue);
      break;
    }
    if (!text.startsWith('-') || text === '-') {
      operands.push(text);
      continue;
    }
    const equals = text.indexOf('=');
    const name = matchName(equals < 0 ? text : text.slice(0, equals), table, program);
    if (table[name]?.value === undefined) {
      if (equals >= 0)
        throw new UsageError(`${program}: option '--${name}' doesn't allow an argument`);
      flags.add(name);
      continue;
    }
    const value = equals < 0 ? queue.shift() : text.slice(equals + 1);
    if (value === undefined)
      throw new UsageError(`${program}: option '--${name}' requires an argument`);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { flags, values, operands };
}

function matchName(text: string, table: OptionTable, program: string): string {
  const wanted = text.slice(2);
  const unknown = new UsageError(`${program}: unrecognized option '${text}'`);
  if (!text.startsWith('--')) {
    if (text === '-h') return 'help';
    throw unknown;
  }
  if (Object.hasOwn(table, wanted)) return wanted;
  const candidates = Object.keys(table).filter((name) => wanted !== '' && name.startsWith(wanted));
  const [only] = candidates;
  if (only === undefined) throw unknown;
  if (candidates.length === 1) return only;
  throw new UsageError(`${program}: option '${text}' is ambiguous`);
}

/** The last value of an option. */
export function lastValue(options: ParsedOptions, name: string): string | undefined {
  return options.values.get(name)?.at(-1);
}
