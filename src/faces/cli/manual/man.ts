import type { Page, Section } from './page.ts';

/** A page as source of man(7). */
export function pageMan(page: Page, version: string): string {
  const name = page.title.replaceAll(' ', '-');
  return [
    `.TH "${roff(name.toUpperCase())}" ${page.chapter ?? 1} "" "onecopy ${version}" "Manual of onecopy"`,
    '.SH NAME',
    `${roff(name)} \\- ${roff(page.summary)}`,
    ...(page.usage === undefined ? [] : ['.SH SYNOPSIS', `.B ${roff(page.usage)}`]),
    ...page.sections.flatMap(sectionMan),
    '',
  ].join('\n');
}

function sectionMan({ heading, paragraphs = [], entries = [], examples = [] }: Section): string[] {
  const body = [
    ...paragraphs.flatMap((text) => ['.PP', line(text)]),
    ...entries.flatMap(({ term, says }) => ['.TP', `.B ${roff(term)}`, line(says)]),
    ...examples.flatMap(({ says, command }) => [
      '.PP',
      line(`${says}:`),
      '.PP',
      '.RS 4',
      '.EX',
      line(command),
      '.EE',
      '.RE',
    ]),
  ];
  return body.length === 0 ? [] : [`.SH ${roff(heading.toUpperCase())}`, ...body];
}

/** A line of text, escaped so that troff does not read it as a request. */
function line(text: string): string {
  return roff(text).replace(/^(?=[.'])/, '\\&');
}

function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga');
}
