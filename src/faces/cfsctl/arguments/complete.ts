import {
  type CommandSpec,
  type GroupSpec,
  isGroup,
  type OptionSpec,
  type ProgramSpec,
  type ValueKind,
} from './spec.ts';

/** What a word of a command line may become. */
export interface Completion {
  /** Words and options that fit, in the order in which they are offered. */
  readonly words: readonly string[];
  /** Names or paths that fit here too, before the others. */
  readonly kind?: ValueKind | undefined;
  /** What the value begins behind, for example `--repo=`. */
  readonly before: string;
}

const HELP: OptionSpec = { name: 'help', short: 'h', summary: '' };
const VERSION: OptionSpec = { name: 'version', short: 'V', summary: '' };

type Level<Handler> = ProgramSpec<Handler> | GroupSpec<Handler> | CommandSpec<Handler>;

/** Where the words so far lead. */
interface Place<Handler> {
  level: Level<Handler>;
  isHelp: boolean;
  /** Behind `--`. */
  isPlain: boolean;
  operands: number;
  /** The option whose value comes next. */
  option: OptionSpec | undefined;
}

/**
 * What the last of some words may become. Words that are wrong are ignored, as in the original.
 * Source: composefs-rs 0.9.4, recorded in cli/env-completion.
 */
export function completeWord<Handler>(
  program: ProgramSpec<Handler>,
  words: readonly string[],
): Completion {
  const place: Place<Handler> = {
    level: program,
    isHelp: false,
    isPlain: false,
    operands: 0,
    option: undefined,
  };
  for (const word of words.slice(0, -1)) advance(place, word);
  const word = words.at(-1) ?? '';
  if (place.option !== undefined) return completeValue(place.option, word, '');
  if (place.isHelp) return fitting(namesOf(place, word), word);
  const equals = word.indexOf('=');
  if (!place.isPlain && word.startsWith('--') && equals > 0) {
    const option = optionsOf(place.level).find(({ name }) => name === word.slice(2, equals));
    const before = word.slice(0, equals + 1);
    return option === undefined
      ? fitting([], word)
      : completeValue(option, word.slice(equals + 1), before);
  }
  return offer(place, word);
}

function offer<Handler>(place: Place<Handler>, word: string): Completion {
  const { level, isPlain, operands } = place;
  const options = isPlain ? [] : optionsOf(level).map((option) => spell(option, word));
  if ('commands' in level) return fitting([...namesOf(place, word), ...options], word);
  const specs = level.operands ?? [];
  const operand =
    specs[operands] ?? (specs.at(-1)?.isRepeatable === true ? specs.at(-1) : undefined);
  const kind = operand?.completes;
  return { ...fitting(options, word), ...(word.startsWith('-') ? {} : { kind }) };
}

function advance<Handler>(place: Place<Handler>, word: string): void {
  if (place.option !== undefined) {
    place.option = undefined;
    return;
  }
  if (!place.isPlain && !place.isHelp && word.startsWith('-') && word !== '-') {
    if (word === '--') place.isPlain = !('commands' in place.level);
    else place.option = optionWithoutValue(place.level, word);
    return;
  }
  if (!('commands' in place.level)) {
    place.operands += 1;
    return;
  }
  if (word === 'help' && !place.isHelp) place.isHelp = true;
  const found = place.level.commands.find(
    (one) => one.name === word || (!isGroup(one) && one.aliases?.includes(word) === true),
  );
  if (found === undefined) return;
  place.level = found;
}

/** The option that a word names, when its value is the next word. */
function optionWithoutValue<Handler>(level: Level<Handler>, word: string): OptionSpec | undefined {
  const option = optionsOf(level).find(
    ({ name, short }) => word === `--${name}` || word === `-${short}`,
  );
  return option?.value === undefined ? undefined : option;
}

/** The names of commands below, and `help` but in the help of a group; another name of a command fits only what has begun. */
function namesOf<Handler>({ level, isHelp }: Place<Handler>, word: string): string[] {
  if (!('commands' in level)) return [];
  const { commands } = level;
  const aliases = commands.flatMap((one) => (isGroup(one) ? [] : (one.aliases ?? [])));
  const isBelowHelp = isHelp && !('version' in level);
  return [
    ...commands.map(({ name }) => name),
    ...(word === '' ? [] : aliases),
    ...(isBelowHelp ? [] : ['help']),
  ];
}

function optionsOf<Handler>(level: Level<Handler>): OptionSpec[] {
  const own = 'options' in level ? (level.options ?? []) : [];
  const shown = own.filter(({ isHidden }) => isHidden !== true);
  return 'version' in level ? [...shown, HELP, VERSION] : [...shown, HELP];
}

/** A single dash asks for the letters. */
function spell({ name, short }: OptionSpec, word: string): string {
  return word === '-' && short !== undefined ? `-${short}` : `--${name}`;
}

function completeValue(option: OptionSpec, word: string, before: string): Completion {
  return { ...fitting(option.choices ?? [], word), kind: option.completes, before };
}

function fitting(words: readonly string[], word: string): Completion {
  return { words: words.filter((one) => one.startsWith(word)), before: '' };
}
