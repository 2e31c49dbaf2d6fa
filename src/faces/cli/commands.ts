import { Command, Option } from 'commander';
import { stderr, stdout } from '#faces/terminal';
import { VERB_GROUPS, VERBS, type VerbRow } from '#work/verbs';
import { GLOBAL_OPTIONS } from './globals.ts';
import type { AliasGrammar, Grammar, OptionGrammar } from './grammar/grammar.ts';
import { GRAMMARS } from './grammar/table.ts';
import { type CommandLine, isRepeated } from './request.ts';

/** A verb that a command line asks for, by its name or another spelling. */
export interface Asked extends CommandLine {
  readonly row: VerbRow;
  readonly grammar: Grammar;
  readonly alias: AliasGrammar | undefined;
}

/** Words before which verbs stand, and what their help says. */
const FOLDERS: Readonly<Record<string, string>> = {
  image: 'EROFS images: dump, compute ids, make',
  ostree: 'OSTree: pull with all options, make, export',
};

/** The command tree: every verb of the table, with its grammar. `run` is called for the verb that a command line names. */
export function buildCommands(version: string, run: (asked: Asked) => Promise<void>): Command {
  const program = new Command('onecopy')
    .usage('[options] <verb>')
    .description('Keeps one copy of every image byte on this host, whichever store reads it')
    .version(`onecopy ${version}`, '-V, --version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, optionDescription: (option) => option.description })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => {},
    })
    .exitOverride();
  for (const [flags, says] of GLOBAL_OPTIONS) program.option(flags, says);
  const folders = new Map<string, Command>();
  for (const row of VERBS) {
    const grammar = GRAMMARS[row.name] ?? {};
    addVerb(parentOf(program, folders, row.name), row.name, { row, grammar, run });
  }
  for (const row of VERBS) {
    const grammar = GRAMMARS[row.name] ?? {};
    for (const alias of grammar.aliases ?? []) {
      addVerb(parentOf(program, folders, alias.name), alias.name, { row, grammar, run, alias });
    }
  }
  for (const command of [program, ...folders.values()]) addHelp(command);
  return program;
}

/** The command that a verb lies below: the program, or a folder, which is made where its first verb stands. */
function parentOf(program: Command, folders: Map<string, Command>, name: string): Command {
  const [folder = '', verb] = name.split(' ');
  if (verb === undefined) return program;
  const known = folders.get(folder);
  if (known !== undefined) return known;
  const made = program.command(folder).description(FOLDERS[folder] ?? '');
  made.usage('[options] <verb>').helpCommand(false).helpGroup(headingOf(folder));
  folders.set(folder, made);
  return made;
}

function headingOf(folder: string): string {
  const row = VERBS.find(({ name }) => name.startsWith(`${folder} `));
  return `${VERB_GROUPS[row?.group ?? 'repository']}:`;
}

/** A verb, or another spelling of it, which the help page leaves out. */
interface Addition extends Pick<Asked, 'row' | 'grammar'> {
  readonly alias?: AliasGrammar;
  readonly run: (asked: Asked) => Promise<void>;
}

function addVerb(parent: Command, name: string, { row, grammar, alias, run }: Addition): void {
  const operands = (grammar.operands ?? []).map(({ usage }) => usage);
  const usage = [name.split(' ').at(-1), ...operands].join(' ');
  const command = parent.command(usage, { hidden: alias !== undefined }).description(row.summary);
  if (!name.includes(' ')) command.helpGroup(`${VERB_GROUPS[row.group]}:`);
  for (const option of grammar.options ?? []) command.addOption(optionFor(option));
  const also = alias === undefined ? '' : `\n\nAnother spelling of: onecopy ${row.name}`;
  const help = `${grammar.help ?? ''}${also}`.trim();
  if (help !== '') command.addHelpText('after', `\n${help}`);
  command.action(async (...parameters: unknown[]) => {
    const self = parameters.at(-1) as Command;
    const given = parameters.slice(0, -2) as Asked['operands'];
    await run({ row, grammar, alias, operands: given, options: self.optsWithGlobals() });
  });
}

function optionFor(grammar: OptionGrammar): Option {
  const option = new Option(grammar.flags, grammar.says);
  if (grammar.heading !== undefined) option.helpGroup(`${grammar.heading}:`);
  if (grammar.isHidden === true) option.hideHelp();
  if (!isRepeated(grammar)) return option;
  const collect = (value: string, previous: readonly string[]) => [...previous, value];
  return option.default([]).argParser(collect);
}

function addHelp(parent: Command): void {
  parent
    .command('help [verb...]')
    .description('explain a verb')
    .helpGroup('Help:')
    .action((words: readonly string[]) => explain(parent, words));
}

/** Prints the help of the verb that the words lead to. Commander complains about others, with a suggestion. */
function explain(parent: Command, words: readonly string[]): void {
  findCommand(parent, words).help();
}

/** The command that words lead to. @throws CommanderError for a word that leads nowhere */
export function findCommand(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) {
      command.parse([word], { from: 'user' });
      return command;
    }
    command = next;
  }
  return command;
}
