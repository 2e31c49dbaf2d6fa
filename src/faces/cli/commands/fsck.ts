import { availableParallelism } from 'node:os';
import { checkRepository } from '#work/check';
import { openChosen } from '#work/repository';
import { type Action, flag } from '../context.ts';
import { EXIT_FINDINGS } from '../output.ts';

/** `fsck`: checks objects, streams, images and names; exit 3 when something is wrong. */
export const fsck: Action = async (context, _names, options) => {
  using repository = await openChosen(context.selection, context.operation);
  const report = await checkRepository(repository, {
    ...context.operation,
    metadataOnly: flag(options, 'metadataOnly'),
    workers: context.jobs ?? availableParallelism(),
  });
  if (context.out.json) context.out.document({ ...report });
  const { objectsChecked, streamsChecked, imagesChecked } = report;
  context.out.line(`meta.json: ${report.hasMetadata ? 'ok' : 'bad'}`);
  context.out.line(`objects:   ${objectsChecked - report.objectsCorrupted}/${objectsChecked} ok`);
  context.out.line(`streams:   ${streamsChecked - report.streamsCorrupted}/${streamsChecked} ok`);
  context.out.line(`images:    ${imagesChecked - report.imagesCorrupted}/${imagesChecked} ok`);
  if (report.brokenLinks > 0) context.out.line(`broken links:    ${report.brokenLinks}`);
  if (report.missingObjects > 0) context.out.line(`missing objects: ${report.missingObjects}`);
  for (const { kind, path, detail } of report.findings) {
    context.out.line(`  ${kind}: ${path}${detail === '' ? '' : `: ${detail}`}`);
  }
  context.out.line(report.ok ? 'Nothing wrong' : `${report.findings.length} findings`);
  return report.ok ? 0 : EXIT_FINDINGS;
};
