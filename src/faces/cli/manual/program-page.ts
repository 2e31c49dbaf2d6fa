import { VERB_GROUPS, VERBS } from '#work/verbs';
import { GLOBAL_OPTIONS } from '../globals.ts';
import { GRAMMARS } from '../grammar/table.ts';
import type { Page, Section } from './page.ts';
import { TOPICS } from './topics.ts';
import { usageOf } from './verb-page.ts';

/** The page of the program: its verbs by group, the global options, and the other pages. */
export function programPage(): Page {
  return {
    title: 'onecopy',
    summary: 'keep one copy of every image byte on this host, whichever store reads it',
    usage: 'onecopy [options] <verb>',
    sections: [
      ...Object.entries(VERB_GROUPS).map(([group, heading]) => verbsOf(heading, group)),
      {
        heading: 'Global options',
        entries: [
          ...GLOBAL_OPTIONS.map(([term, says]) => ({ term, says })),
          { term: '-V, --version', says: 'print the version' },
          { term: '-h, --help', says: 'print the help of the program or of a verb' },
        ],
      },
      {
        heading: 'Help',
        entries: [
          { term: 'help <verb>', says: 'explain a verb, with examples' },
          ...Object.entries(TOPICS).map(([name, { summary, usage }]) => ({
            term: usage?.replace('onecopy ', '') ?? `help ${name}`,
            says: summary,
          })),
        ],
      },
    ],
  };
}

/** The page of the first word of verbs of two words, for example `ostree`. */
export function folderPage(folder: string, summary: string): Page {
  const names = VERBS.filter(({ name }) => name.startsWith(`${folder} `));
  return {
    title: `onecopy ${folder}`,
    summary,
    usage: `onecopy ${folder} <verb>`,
    sections: [
      { heading: 'Verbs', entries: names.map(entryOf) },
      { heading: 'See also', paragraphs: [`onecopy help ${folder} <verb>, onecopy help`] },
    ],
  };
}

function verbsOf(heading: string, group: string): Section {
  return { heading, entries: VERBS.filter((row) => row.group === group).map(entryOf) };
}

function entryOf({ name, summary }: (typeof VERBS)[number]) {
  const usage = usageOf(name, { operands: GRAMMARS[name]?.operands ?? [] });
  return { term: usage.replace('onecopy ', ''), says: summary };
}
