import * as v from 'valibot';
import { describeFile, FILE_FORMATS } from '#work/inspect-format';
import { count, list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  path: text,
  format: v.picklist(FILE_FORMATS),
  sizeBytes: count,
  document: v.unknown(),
  findings: list(v.object({ code: text, message: text })),
});
export type InspectFormatReport = v.InferOutput<typeof report>;

/** `inspect-format`: decodes a file of any supported format to JSON, and reports problems of its structure. */
export const inspectFormat = defineVerb({
  request: v.strictObject({ path: text, as: v.optional(v.picklist(FILE_FORMATS)) }),
  report,
  examples: [
    { request: { path: '/tmp/app.dump' }, says: 'Decode a composefs dumpfile' },
    {
      request: { path: '/tmp/app.dump', as: 'dumpfile' },
      says: 'Name the format instead of detecting it',
    },
  ],
  async run({ signal }, { path, as }) {
    return { path, ...(await describeFile(path, { format: as, signal })) };
  },
  hasFindings: ({ findings }) => findings.length > 0,
});
