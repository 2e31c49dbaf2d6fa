import { resolve } from 'node:path';
import { UsageError } from '#base/errors';
import { sizeBytes, wholeNumber } from './globals.ts';
import type { AliasGrammar, Grammar, OperandGrammar, OptionGrammar } from './grammar/grammar.ts';

/** The parsed command line: operands in order (a repeated operand is a list), and options by name. */
export interface CommandLine {
  readonly operands: readonly (string | readonly string[] | undefined)[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** Converts a command line to a request by the grammar of its verb. @throws UsageError for an invalid value */
export function requestOf(
  grammar: Grammar,
  line: CommandLine,
  alias?: AliasGrammar,
): Record<string, unknown> {
  const request: Record<string, unknown> = { ...grammar.environment?.(), ...alias?.request };
  for (const [at, operand] of (grammar.operands ?? []).entries()) {
    const given = line.operands[at];
    // A repeated operand that is absent is an empty list; an empty text was given.
    const isAbsent = given === undefined || (Array.isArray(given) && given.length === 0);
    if (!isAbsent) Object.assign(request, operandOf(operand, given));
  }
  for (const option of grammar.options ?? []) {
    const value = optionOf(option, line.options[propertyOf(option)]);
    if (value !== undefined) request[option.key] = value;
  }
  return request;
}

/** The long flag of an option, for example `--gpg-key`. */
export function longFlagOf({ flags }: OptionGrammar): string {
  return /--[\w.-]+/.exec(flags)?.[0] ?? flags;
}

/** True for an option that may be given several times. */
export function isRepeated({ take, isRepeated: repeated }: OptionGrammar): boolean {
  return repeated === true || take === 'texts' || take === 'paths';
}

/** Commander stores `--no-x` as `x`, and other options under their names in camel case. */
function propertyOf(option: OptionGrammar): string {
  const name = longFlagOf(option).replace(/^--(?:no-)?/, '');
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function operandOf({ key, take = 'text' }: OperandGrammar, given: string | readonly string[]) {
  if (typeof take === 'function') return take(String(given));
  if (take === 'text') return { [key]: given };
  return {
    [key]: Array.isArray(given) ? given.map((one) => resolve(one)) : resolve(String(given)),
  };
}

function optionOf(option: OptionGrammar, given: unknown): unknown {
  const isNegated = longFlagOf(option).startsWith('--no-');
  if (isNegated) return given === false ? false : undefined;
  if (typeof given === 'string') return readValue(option, given);
  if (Array.isArray(given)) {
    return given.length === 0 ? undefined : given.map((one) => readValue(option, String(one)));
  }
  return given === true ? (option.gives ?? true) : undefined;
}

function readValue(option: OptionGrammar, text: string): unknown {
  const { take = 'text', values } = option;
  const flag = longFlagOf(option);
  if (typeof take === 'function') return take(text, flag);
  if (values !== undefined && !values.includes(text)) {
    throw new UsageError(`Cannot read ${flag}: expected ${values.join(', ')}, found "${text}"`);
  }
  if (take === 'number') return wholeNumber(text, flag);
  if (take === 'size') return sizeBytes(text, flag);
  return take === 'path' || take === 'paths' ? resolve(text) : text;
}
