import { byteStringFromText } from '#base/bytes';
import { exportPath } from '#work/export';
import { openChosen } from '#work/repository';
import type { Action } from '../context.ts';
import { UsageError } from '../output.ts';
import { formatSize } from '../units.ts';

/** `cp`: copies a file or directory out of an image, sharing its blocks where the filesystem can. */
export const cp: Action = async (context, [from = '', to = ''], options) => {
  const { name, path } = splitOperand(from);
  using repository = await openChosen(context.selection, context.operation);
  if (context.dryRun) {
    context.out.note(`onecopy: would copy ${from} to ${to}`);
    return 0;
  }
  const report = await exportPath(
    repository,
    name,
    { from: byteStringFromText(path), to },
    { ...context.operation, ...(options['owners'] === false ? { owners: false } : {}) },
  );
  if (context.out.json) context.out.document({ ...report });
  context.out.line(
    `Copied to ${report.path}: ${report.files} files, ${formatSize(report.reflinkedBytes)} shared, ` +
      `${formatSize(report.copiedBytes + report.inlineBytes)} copied`,
  );
  for (const { path: left, reason } of report.leftOut) {
    context.out.note(`onecopy: left out ${left}: ${reason}`);
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
