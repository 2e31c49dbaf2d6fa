import { availableParallelism } from 'node:os';
import { checkOciImages, checkRepository, type FsckReport } from '#work/check';
import { type Action, type Context, flag } from '../context.ts';
import { EXIT_FINDINGS } from '../output.ts';
import { openSelected } from '../repository.ts';

/**
 * `fsck`: objects, streams, images, names, and what the tags promise; with names those images alone, their layers put together
 * again. Exit 3 when something is wrong.
 */
export const fsck: Action = async (context, names, options) => {
  using repository = await openSelected(context);
  const whole = names.length === 0;
  const report = whole
    ? await checkRepository(repository, {
        ...context.operation,
        metadataOnly: flag(options, 'metadataOnly'),
        workers: context.jobs ?? availableParallelism(),
      })
    : undefined;
  const tags = await checkOciImages(repository, {
    ...context.operation,
    names: whole ? undefined : names,
    content: !whole && !flag(options, 'metadataOnly'),
  });
  const findings = [...(report?.findings ?? []), ...tags.findings];
  const ok = findings.length === 0;
  if (context.out.json) {
    const { imagesChecked, imagesCorrupted } = tags;
    context.out.document({
      ok,
      repository: report ?? null,
      tags: { imagesChecked, imagesCorrupted },
      findings,
    });
  }
  if (report !== undefined) printRepository(context, report);
  context.out.line(
    `tags:      ${tags.imagesChecked - tags.imagesCorrupted}/${tags.imagesChecked} ok`,
  );
  for (const finding of report?.findings ?? []) {
    context.out.line(`  ${finding.kind}: ${finding.path}${suffix(finding.detail)}`);
  }
  for (const finding of tags.findings) {
    context.out.line(`  ${finding.kind}: ${finding.image}${suffix(finding.detail)}`);
  }
  context.out.line(ok ? 'Nothing wrong' : `${findings.length} findings`);
  return ok ? 0 : EXIT_FINDINGS;
};

function suffix(detail: string): string {
  return detail === '' ? '' : `: ${detail}`;
}

function printRepository(context: Context, report: FsckReport): void {
  const { line } = context.out;
  const count = (checked: number, bad: number) => `${checked - bad}/${checked} ok`;
  line(`meta.json: ${report.hasMetadata ? 'ok' : 'bad'}`);
  line(`objects:   ${count(report.objectsChecked, report.objectsCorrupted)}`);
  line(`streams:   ${count(report.streamsChecked, report.streamsCorrupted)}`);
  line(`images:    ${count(report.imagesChecked, report.imagesCorrupted)}`);
  if (report.brokenLinks > 0) line(`broken links:    ${report.brokenLinks}`);
  if (report.missingObjects > 0) line(`missing objects: ${report.missingObjects}`);
}
