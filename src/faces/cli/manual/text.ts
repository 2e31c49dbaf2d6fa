import type { Entry, Page, Section } from './page.ts';
import { sentence } from './page.ts';

const WIDTH_MIN = 40;
const WIDTH_MAX = 100;
const TERM_MAX = 34;

/** A page as text for a terminal with this number of columns. */
export function pageText(page: Page, columns: number): string {
  const width = Math.max(WIDTH_MIN, Math.min(columns, WIDTH_MAX));
  const first =
    page.usage === undefined ? wrap(sentence(page.summary), width, '') : `Usage: ${page.usage}`;
  const isProgram = page.usage !== undefined && !page.sections.some(isDescription);
  const intro = isProgram ? [wrap(sentence(page.summary), width, '')] : [];
  const sections = page.sections.map((section) => sectionText(section, width));
  return `${[first, ...intro, ...sections].filter((text) => text !== '').join('\n\n')}\n`;
}

function isDescription({ heading }: Section): boolean {
  return heading === 'Description';
}

function sectionText(section: Section, width: number): string {
  const { heading, paragraphs = [], entries = [], examples = [] } = section;
  const lines = [
    ...(entries.length > 0 ? [entriesText(entries, width)] : []),
    ...examples.map(({ says, command }) => `  # ${says}\n  ${command}`),
  ];
  const indent = isDescription(section) ? '' : '  ';
  const prose = paragraphs.map((one) => wrap(one, width, indent)).join('\n\n');
  const body = [prose, ...lines].filter((text) => text !== '').join('\n');
  if (body === '') return '';
  return isDescription(section) ? body : `${heading}:\n${body}`;
}

function entriesText(entries: readonly Entry[], width: number): string {
  const longest = Math.max(
    ...entries.map(({ term }) => (term.length > TERM_MAX ? 0 : term.length)),
  );
  const indent = ' '.repeat(longest + 4);
  return entries
    .map(({ term, says }) => {
      const text = wrap(says, width, indent);
      if (term.length > longest) return `  ${term}\n${text}`;
      return `  ${term.padEnd(longest)}  ${text.slice(indent.length)}`;
    })
    .join('\n');
}

/** Wraps at spaces; a word that is too long gets its own line. */
function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => `${indent}${one}`).join('\n');
}
