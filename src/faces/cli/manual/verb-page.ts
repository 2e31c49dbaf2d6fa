import type { Verb, VerbRow } from '#work/verbs';
import { VERBS } from '#work/verbs';
import { GLOBAL_OPTIONS } from '../globals.ts';
import type { Grammar, OptionGrammar } from '../grammar/grammar.ts';
import { type Entry, type Page, type Section, sentence } from './page.ts';
import { spellRequest } from './spell.ts';

const SEE_ALSO_MAX = 6;

/** The page of a verb. `verb` supplies the examples. */
export function verbPage(row: VerbRow, grammar: Grammar, verb: Verb): Page {
  const { name, summary } = row;
  return {
    title: `onecopy ${name}`,
    summary,
    usage: usageOf(name, grammar),
    sections: [
      { heading: 'Description', paragraphs: [sentence(summary), ...paragraphsOf(grammar.help)] },
      {
        heading: 'Arguments',
        entries: (grammar.operands ?? []).map(({ usage, says }) => ({ term: usage, says })),
      },
      ...optionSections(grammar.options ?? []),
      {
        heading: 'Global options',
        paragraphs: [`${globalFlags(verb.plan !== undefined)}: see onecopy help`],
      },
      {
        heading: 'Examples',
        examples: verb.examples.map(({ request, says }) => ({
          says,
          command: spellRequest(name, grammar, request as Readonly<Record<string, unknown>>),
        })),
      },
      { heading: 'Exit codes', entries: exitCodes(grammar, verb) },
      { heading: 'See also', paragraphs: [seeAlso(row, grammar).join(', ')] },
    ],
  };
}

/** The command line of a verb in short. */
export function usageOf(name: string, { operands = [], options = [] }: Grammar): string {
  const words = operands.map(({ usage }) => usage);
  return ['onecopy', name, ...(options.length > 0 ? ['[options]'] : []), ...words].join(' ');
}

/** Splits a text into paragraphs at empty lines. */
function paragraphsOf(text = ''): string[] {
  return text
    .split(/\n\n+/)
    .map((one) => one.replaceAll('\n', ' ').trim())
    .filter((one) => one !== '');
}

function optionSections(options: readonly OptionGrammar[]): Section[] {
  const groups = new Map<string, Entry[]>();
  for (const option of options) {
    const { says, heading = 'Options', isHidden } = option;
    if (isHidden === true) continue;
    const entries = groups.get(heading) ?? [];
    entries.push({ term: termOf(option), says });
    groups.set(heading, entries);
  }
  return [...groups].map(([heading, entries]) => ({ heading, entries }));
}

/** The flags of an option; its values stand in the place of the value. */
function termOf({ flags, values }: OptionGrammar): string {
  return values === undefined ? flags : flags.replace(/<.*>/, `<${values.join('|')}>`);
}

/** The flags of every verb, on one line. A verb that changes nothing has no dry run and asks nothing. */
function globalFlags(changesSomething: boolean): string {
  return GLOBAL_OPTIONS.map(([flags]) => flags.replace(/^-\w, /, '').replace(/ <.*/, ''))
    .filter((flag) => changesSomething || !['--dry-run', '--yes', '--no-init'].includes(flag))
    .join(' ');
}

function exitCodes({ finding }: Grammar, verb: Verb): Entry[] {
  return [
    { term: '0', says: 'the command succeeded' },
    ...(verb.hasFindings === undefined ? [] : [{ term: '3', says: finding ?? 'findings' }]),
    { term: 'other', says: 'the command failed: see onecopy help exit-codes' },
  ];
}

/** The related verbs of the grammar, by default the other verbs of the group. */
function seeAlso({ name, group }: VerbRow, grammar: Grammar): string[] {
  const near = VERBS.filter((row) => row.group === group && row.name !== name);
  const names = grammar.seeAlso ?? near.slice(0, SEE_ALSO_MAX).map((row) => row.name);
  return [...names, 'help'].map((one) => `onecopy ${one}`);
}
