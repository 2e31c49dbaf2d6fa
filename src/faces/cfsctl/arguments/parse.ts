import { UsageError } from '#base/errors';
import { type CommandSpec, Given, isGroup, type OptionSpec, type ProgramSpec } from './spec.ts';

/** What a command line asks for. */
export type Parsed<Handler> =
  | { readonly kind: 'help'; readonly path: readonly string[] }
  | { readonly kind: 'version' }
  | {
      readonly kind: 'command';
      readonly globals: Given;
      readonly given: Given;
      readonly command: CommandSpec<Handler>;
      /** For example `oci pull`. */
      readonly path: string;
    };

/** Asks for help or the version: everything after it is ignored, as in the original. */
class Asked extends Error {
  readonly what: 'help' | 'version';

  constructor(what: 'help' | 'version') {
    super(what);
    this.what = what;
  }
}

/**
 * Parses a command line by the rules of the original's parser: names of options are whole, options stand before or between operands,
 * global ones before the command, and one that takes no list is given once. Source: composefs-rs 0.9.4, recorded in cli/usage.
 * @throws UsageError
 */
export function parseArguments<Handler>(
  argv: readonly string[],
  program: ProgramSpec<Handler>,
): Parsed<Handler> {
  const queue = [...argv];
  const path: string[] = [];
  try {
    const globals = new Given();
    readOptions(queue, globals, program.options, true);
    requireOptions(globals, program.options);
    const command = findCommand(queue, program, path);
    if (Array.isArray(command)) return { kind: 'help', path: command };
    const given = new Given();
    readOptions(queue, given, command.options ?? [], false);
    requireOptions(given, command.options ?? []);
    requireOperands(given, command);
    return { kind: 'command', globals, given, command, path: path.join(' ') };
  } catch (error) {
    if (!(error instanceof Asked)) throw error;
    return error.what === 'version' ? { kind: 'version' } : { kind: 'help', path };
  }
}

/** The command that comes next in the queue, or the path whose help is asked for. */
function findCommand<Handler>(
  queue: string[],
  program: ProgramSpec<Handler>,
  path: string[],
): CommandSpec<Handler> | string[] {
  let commands = program.commands;
  for (;;) {
    const name = queue.shift();
    if (name === undefined) throw new UsageError('');
    if (name === '-h' || name === '--help') throw new Asked('help');
    if (name.startsWith('-')) throw unexpected(name);
    if (name === 'help') return pathOfHelp(queue, commands, path);
    const found = commands.find((one) => answersTo(one, name));
    if (found === undefined) throw unknownCommand(name);
    path.push(found.name);
    if (!isGroup(found)) return found;
    commands = found.commands;
  }
}

function pathOfHelp<Handler>(
  names: readonly string[],
  commands: ProgramSpec<Handler>['commands'],
  path: readonly string[],
): string[] {
  let below: ProgramSpec<Handler>['commands'] = commands;
  const whole = [...path];
  for (const name of names) {
    const found = below.find((one) => answersTo(one, name));
    if (found === undefined) throw unknownCommand(name);
    whole.push(found.name);
    below = isGroup(found) ? found.commands : [];
  }
  return whole;
}

function answersTo(
  spec: { readonly name: string; readonly aliases?: readonly string[] },
  name: string,
): boolean {
  return spec.name === name || spec.aliases?.includes(name) === true;
}

function unknownCommand(name: string): UsageError {
  return new UsageError(`unrecognized subcommand '${name}'`);
}

function unexpected(text: string): UsageError {
  return new UsageError(`unexpected argument '${text}' found`);
}

/** Reads options, and operands too unless they begin a command. */
function readOptions(
  queue: string[],
  into: Given,
  options: readonly OptionSpec[],
  stopsAtOperand: boolean,
): void {
  for (let text = queue.shift(); text !== undefined; text = queue.shift()) {
    if (text === '--') {
      if (!stopsAtOperand) into.operands.push(...queue.splice(0));
      return;
    }
    if (text === '-' || !text.startsWith('-')) {
      if (stopsAtOperand) {
        queue.unshift(text);
        return;
      }
      into.operands.push(text);
      continue;
    }
    if (text === '-h' || text === '--help') throw new Asked('help');
    if (stopsAtOperand && (text === '-V' || text === '--version')) throw new Asked('version');
    readOption(text, queue, into, options);
  }
}

function readOption(
  text: string,
  queue: string[],
  into: Given,
  options: readonly OptionSpec[],
): void {
  const { spec, attached } = matchOption(text, options);
  if (spec.value === undefined) {
    if (attached !== undefined) {
      throw new UsageError(
        `unexpected value '${attached}' for '--${spec.name}' found; no more were expected`,
      );
    }
    if (into.flags.has(spec.name)) throw repeated(`--${spec.name}`);
    into.flags.add(spec.name);
    return;
  }
  const value = attached ?? nextValue(queue);
  const shown = `--${spec.name} <${spec.value}>`;
  if (value === undefined || (value === '' && spec.choices !== undefined)) {
    throw new UsageError(`a value is required for '${shown}' but none was supplied`);
  }
  const before = into.values.get(spec.name);
  if (before !== undefined && spec.isRepeatable !== true) throw repeated(shown);
  requireValue(value, shown, spec);
  into.values.set(spec.name, [...(before ?? []), value]);
}

function requireValue(
  value: string,
  shown: string,
  { choices, refuse }: Pick<OptionSpec, 'choices' | 'refuse'>,
): void {
  if (choices !== undefined && !choices.includes(value)) {
    throw new UsageError(
      `invalid value '${value}' for '${shown}'\n  [possible values: ${choices.join(', ')}]`,
    );
  }
  const reason = refuse?.(value);
  if (reason !== undefined)
    throw new UsageError(`invalid value '${value}' for '${shown}': ${reason}`);
}

/** What looks like an option is no value, unless it is joined to its option by `=`. */
function nextValue(queue: string[]): string | undefined {
  const [next] = queue;
  if (next === undefined || (next.startsWith('-') && next !== '-')) return undefined;
  return queue.shift();
}

function repeated(shown: string): UsageError {
  return new UsageError(`the argument '${shown}' cannot be used multiple times`);
}

function matchOption(
  text: string,
  options: readonly OptionSpec[],
): { readonly spec: OptionSpec; readonly attached: string | undefined } {
  if (text.startsWith('--')) {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
    const spec = options.find((one) => one.name === name);
    if (spec === undefined) throw unexpected(equals < 0 ? text : text.slice(0, equals));
    return { spec, attached: equals < 0 ? undefined : text.slice(equals + 1) };
  }
  const spec = options.find((one) => one.short === text.charAt(1));
  if (spec === undefined) throw unexpected(text.slice(0, 2));
  const rest = text.slice(2);
  if (rest === '') return { spec, attached: undefined };
  return { spec, attached: rest.startsWith('=') ? rest.slice(1) : rest };
}

function requireOptions(given: Given, options: readonly OptionSpec[]): void {
  for (const { name, value, excludes = [], requires = [], isRequired } of options) {
    if (isRequired === true && !given.has(name)) throw missingArguments([`--${name} <${value}>`]);
    if (!given.has(name)) continue;
    const excluded = excludes.find((other) => given.has(other));
    if (excluded !== undefined) {
      throw new UsageError(`the argument '--${name}' cannot be used with '--${excluded}'`);
    }
    const missing = requires.filter((other) => !given.has(other));
    if (missing.length > 0) throw missingArguments(missing.map((other) => `--${other}`));
  }
}

function requireOperands<Handler>(given: Given, command: CommandSpec<Handler>): void {
  const operands = command.operands ?? [];
  const missing = operands
    .filter(({ isOptional, isRepeatable }) => isOptional !== true && isRepeatable !== true)
    .slice(given.operands.length);
  if (missing.length > 0) throw missingArguments(missing.map(({ name }) => `<${name}>`));
  const takesAll = operands.some(({ isRepeatable }) => isRepeatable === true);
  const surplus = given.operands[operands.length];
  if (!takesAll && surplus !== undefined) throw unexpected(surplus);
  given.operands.forEach((value, index) => {
    const spec = operands[Math.min(index, operands.length - 1)];
    if (spec !== undefined) requireValue(value, `<${spec.name}>`, spec);
  });
}

function missingArguments(names: readonly string[]): UsageError {
  return new UsageError(
    `the following required arguments were not provided:\n${names.map((name) => `  ${name}`).join('\n')}`,
  );
}
