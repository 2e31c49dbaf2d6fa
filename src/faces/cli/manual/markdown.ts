import type { Page, Section } from './page.ts';
import { sentence } from './page.ts';

/** A page as a chapter of Markdown. */
export function pageMarkdown(page: Page): string {
  const usage = page.usage === undefined ? [] : ['```', page.usage, '```'];
  const hasDescription = page.sections.some(({ heading }) => heading === 'Description');
  return [
    `## ${page.title}`,
    ...(usage.length === 0 ? [] : [usage.join('\n')]),
    ...(hasDescription ? [] : [prose(sentence(page.summary))]),
    ...page.sections.flatMap(sectionMarkdown),
  ].join('\n\n');
}

function sectionMarkdown(section: Section): string[] {
  const { heading, paragraphs = [], entries = [], examples = [] } = section;
  const rows = entries.map(
    ({ term, says }) => `| \`${term.replaceAll('|', '\\|')}\` | ${cell(says)} |`,
  );
  const commands = examples.map(({ says, command }) => `# ${says}\n${command}`);
  const body = [
    ...paragraphs.map(prose),
    ...(rows.length === 0 ? [] : [['| | |', '|---|---|', ...rows].join('\n')]),
    ...(commands.length === 0 ? [] : [['```sh', ...commands, '```'].join('\n')]),
  ];
  if (body.length === 0) return [];
  return heading === 'Description' ? body : [`**${heading}**`, ...body];
}

function cell(text: string): string {
  return prose(text).replaceAll('|', '\\|');
}

function prose(text: string): string {
  return text.replace(/[\\<*_`[\]]/g, '\\$&');
}
