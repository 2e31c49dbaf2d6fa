import { byteStringFromText } from '#base/bytes';
import { openImageView } from '#work/browse';
import { exportPath } from '#work/export';
import type { Action } from '../context.ts';
import { entryDocument } from '../entry.ts';
import { UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';
import { formatSize } from '../units.ts';

/** `cp`: copies a file or directory out of an image, sharing its blocks where the filesystem can. */
export const cp: Action = async (context, [from = '', to = ''], options) => {
  const { name, path } = splitOperand(from);
  using repository = await openSelected(context);
  if (context.dryRun) {
    using view = openImageView(repository, name);
    const entry = view.stat(byteStringFromText(path));
    if (context.out.json) context.out.document({ dryRun: true, from: entryDocument(entry), to });
    context.out.line(`Would copy ${from} (${entry.kind}) to ${to}`);
    return 0;
  }
  const report = await exportPath(
    repository,
    name,
    { from: byteStringFromText(path), to },
    { ...context.operation, ...(options['owners'] === false ? { owners: false } : {}) },
  );
  if (context.out.json) context.out.document({ dryRun: false, ...report });
  context.out.line(
    `Copied to ${report.path}: ${report.files} files, ${formatSize(report.reflinkedBytes)} shared, ` +
      `${formatSize(report.copiedBytes + report.inlineBytes)} copied`,
  );
  for (const { path: left, reason } of report.leftOut) {
    context.out.note(`left out ${left}: ${reason}`);
  }
  return 0;
};

/** `NAME:/PATH`: the name may hold colons, so the path starts at the first colon with a slash behind it. */
function splitOperand(text: string): { readonly name: string; readonly path: string } {
  const at = text.indexOf(':/');
  if (at > 0) return { name: text.slice(0, at), path: text.slice(at + 1) };
  throw new UsageError(
    `Cannot read "${text}": expected NAME:/PATH`,
    'the path starts with a slash, for example app:/etc/os-release',
  );
}
