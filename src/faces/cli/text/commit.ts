import type { Speaker } from './text.ts';

/** The keys of a report that the text of a commit uses. */
export interface ShownCommit {
  readonly commit: string;
  readonly parent: string | null;
  readonly contentChecksum: string;
  readonly date: string | null;
  readonly timestampSec: string;
  readonly version: string | null;
  readonly subject: string;
  readonly body: string;
}

/** A commit as `ostree log` prints it. */
export function printCommit(commit: ShownCommit, line: Speaker['line']): void {
  line(`commit ${commit.commit}`);
  if (commit.parent !== null) line(`Parent:  ${commit.parent}`);
  line(`ContentChecksum:  ${commit.contentChecksum}`);
  line(`Date:  ${dateText(commit)} +0000`);
  if (commit.version !== null) line(`Version: ${commit.version}`);
  if (commit.subject === '') line('(no subject)');
  else for (const one of indented(commit.subject)) line(one);
  if (commit.body !== '') for (const one of indented(commit.body)) line(one);
  line('');
}

/** `YYYY-MM-DD HH:MM:SS` in UTC; the number of seconds if the date is out of range. */
export function dateText({ date, timestampSec }: ShownCommit): string {
  return date === null ? timestampSec : date.slice(0, 19).replace('T', ' ');
}

function indented(text: string): string[] {
  return [
    '',
    ...text
      .replace(/\n$/, '')
      .split('\n')
      .map((one) => `    ${one}`),
  ];
}
