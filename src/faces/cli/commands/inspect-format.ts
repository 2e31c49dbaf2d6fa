import { resolve } from 'node:path';
import { describeFile, FILE_FORMATS } from '#work/inspect-format';
import { type Action, textOption } from '../context.ts';
import { EXIT_FINDINGS, UsageError } from '../output.ts';

/** `inspect-format`: any on-disk format as JSON; exit 3 when its structure has findings. */
export const inspectFormat: Action = async (context, [path = ''], options) => {
  const wanted = textOption(options, 'as');
  const format = FILE_FORMATS.find((one) => one === wanted);
  if (wanted !== undefined && format === undefined) {
    throw new UsageError(
      `Cannot read --as: expected one of ${FILE_FORMATS.join(', ')}, found "${wanted}"`,
    );
  }
  const description = describeFile(resolve(path), { format });
  // The answer is JSON for people too: there is no other form that all formats share.
  context.out.document({ path: resolve(path), ...description });
  for (const { code, message } of description.findings) context.out.note(`${code}: ${message}`);
  return description.findings.length > 0 ? EXIT_FINDINGS : 0;
};
