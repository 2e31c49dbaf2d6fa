import { availableParallelism } from 'node:os';
import { type CheckReport, checkEverything, type ReportedFinding } from '#work/check';
import { type Action, type Context, flag } from '../context.ts';
import { EXIT_FINDINGS } from '../output.ts';
import { openSelected } from '../repository.ts';

/**
 * `fsck`: objects, streams, images, names, what the tags promise, layers put together and images built again; with names those images
 * alone. Exit 3 when something is wrong.
 */
export const fsck: Action = async (context, names, options) => {
  using repository = await openSelected(context);
  const report = await checkEverything(repository, {
    ...context.operation,
    names,
    metadataOnly: flag(options, 'metadataOnly'),
    workers: context.jobs ?? availableParallelism(),
  });
  const { ok, tags, findings, notChecked } = report;
  if (context.out.json) {
    context.out.document({ ok, repository: report.repository ?? null, tags, findings, notChecked });
  }
  print(context, report);
  return ok ? 0 : EXIT_FINDINGS;
};

function print(context: Context, { repository, tags, findings, notChecked }: CheckReport): void {
  const { line } = context.out;
  const isChecked = !notChecked.includes('contents of objects');
  const count = (checked: number, bad: number) => `${checked - bad}/${checked} ok`;
  if (repository !== undefined) {
    line(`meta.json: ${repository.hasMetadata ? 'ok' : 'bad'}`);
    const { objectsChecked, objectsCorrupted } = repository;
    line(`objects:   ${isChecked ? count(objectsChecked, objectsCorrupted) : 'not checked'}`);
    line(`streams:   ${count(repository.streamsChecked, repository.streamsCorrupted)}`);
    line(`images:    ${count(repository.imagesChecked, repository.imagesCorrupted)}`);
    if (repository.brokenLinks > 0) line(`broken links:    ${repository.brokenLinks}`);
    if (repository.missingObjects > 0) line(`missing objects: ${repository.missingObjects}`);
  }
  line(`tags:      ${count(tags.imagesChecked, tags.imagesCorrupted)}`);
  for (const finding of findings) printFinding(line, finding);
  if (notChecked.length > 0) line(`Not checked: ${notChecked.join(', ')}`);
  line(verdict(findings.length));
}

function verdict(count: number): string {
  if (count === 0) return 'Nothing wrong';
  return count === 1 ? '1 finding' : `${count} findings`;
}

function printFinding(line: (text: string) => void, finding: ReportedFinding): void {
  const { kind, detail, usedBy } = finding;
  const place = 'path' in finding ? finding.path : finding.image;
  line(`  ${kind}: ${place}${detail === '' ? '' : `: ${detail}`}`);
  for (const { image, path, part } of usedBy) line(`    used by ${image}: ${path ?? part}`);
}
