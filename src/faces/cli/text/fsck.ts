import type { FsckReport } from '#work/verbs';
import { countOf } from './checkout.ts';
import type { Speaker, Text } from './text.ts';

/** The text of `fsck`. */
export const text: Text<FsckReport> = (report, { line }) => {
  const { repository, tags, findings, commits, notChecked } = report;
  const isWhole = repository !== null;
  for (const commit of commits) {
    if (!isWhole || commit.findings.length > 0) printCommit(line, commit);
  }
  if (isWhole) printRepository(line, repository, notChecked);
  if (isWhole || tags.imagesChecked > 0) {
    line(`tags:      ${okOf(tags.imagesChecked, tags.imagesCorrupted)}`);
  }
  if (isWhole && commits.length > 0) {
    const bad = commits.filter((one) => one.findings.length > 0).length;
    line(`commits:   ${okOf(commits.length, bad)}`);
  }
  for (const finding of findings) {
    printFinding(line, finding, '  ');
    line(`    fsck --repair: ${finding.repair ?? 'cannot repair this'}`);
  }
  // What was repaired is what the check above, which ran after the repair, no longer finds.
  for (const one of report.repaired ?? []) printFinding(line, one, 'Repaired: ');
  for (const { path, usedBy } of report.removed ?? []) {
    line(`Removed: ${path}`);
    for (const use of usedBy) line(`    missing from ${use.image}: ${use.path ?? use.part}`);
  }
  if (notChecked.length > 0) line(`Not checked: ${notChecked.join(', ')}`);
  const count = findings.length + commits.reduce((sum, one) => sum + one.findings.length, 0);
  line(count === 0 ? 'Nothing wrong' : countOf(count, 'finding'));
};

function okOf(checked: number, bad: number): string {
  return `${checked - bad}/${checked} ok`;
}

function printRepository(
  line: Speaker['line'],
  repository: NonNullable<FsckReport['repository']>,
  notChecked: readonly string[],
): void {
  const isChecked = !notChecked.includes('contents of objects');
  line(`meta.json: ${repository.hasMetadata ? 'ok' : 'bad'}`);
  const objects = okOf(repository.objectsChecked, repository.objectsCorrupted);
  line(`objects:   ${isChecked ? objects : 'not checked'}`);
  line(`streams:   ${okOf(repository.streamsChecked, repository.streamsCorrupted)}`);
  line(`images:    ${okOf(repository.imagesChecked, repository.imagesCorrupted)}`);
  if (repository.brokenLinks > 0) line(`broken links:    ${repository.brokenLinks}`);
  if (repository.missingObjects > 0) line(`missing objects: ${repository.missingObjects}`);
}

function printCommit(line: Speaker['line'], one: FsckReport['commits'][number]): void {
  const part = one.subpaths === null ? '' : `, only: ${one.subpaths.join(' ')}`;
  const state = one.findings.length === 0 ? 'ok' : 'bad';
  line(`commit ${one.name}: ${state}, ${one.objects} objects of ${one.commit}${part}`);
  for (const { code, checksum, detail } of one.findings) {
    line(`  ${code}: ${checksum ?? one.commit}: ${detail}`);
  }
}

function printFinding(
  line: Speaker['line'],
  finding: FsckReport['findings'][number],
  before: string,
): void {
  const { kind, detail, usedBy } = finding;
  const place = 'path' in finding ? finding.path : finding.image;
  line(`${before}${kind}: ${place}${detail === '' ? '' : `: ${detail}`}`);
  for (const { image, path, part } of usedBy) line(`    used by ${image}: ${path ?? part}`);
}
