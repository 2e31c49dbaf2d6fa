import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import { gather } from '#base/flow';
import { findFiles } from '#work/browse';
import { entriesReport, entryOf, entrySchema } from './entry.ts';
import { elsewhereKeys, openFiles, pathOf } from './files.ts';
import { list, maybeCount, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

export type FindReport = v.InferOutput<typeof entriesReport>;

/** `find`: files by name, kind and size. */
export const find = defineVerb({
  request: v.strictObject({
    name: text,
    path: maybeText,
    /** A shell pattern of the last component. */
    fileName: maybeText,
    /** A shell pattern of the whole path. */
    wholePath: maybeText,
    type: v.optional(list(entrySchema.entries.kind)),
    minSizeBytes: maybeCount,
    maxSizeBytes: maybeCount,
    depth: maybeCount,
    ...elsewhereKeys,
  }),
  report: entriesReport,
  examples: [
    { request: { name: 'app', fileName: '*.txt' }, says: 'Find files by their name' },
    { request: { name: 'os', type: ['directory'] }, says: 'Find the directories of a commit' },
  ],
  async run(context, request) {
    const pattern = (one: string | undefined) =>
      one === undefined ? undefined : byteStringFromText(one);
    await using opened = await openFiles(context, request.name, request);
    const found = findFiles(opened.view, pathOf(request.path), {
      name: pattern(request.fileName),
      path: pattern(request.wholePath),
      kinds: request.type,
      minSizeBytes: request.minSizeBytes,
      maxSizeBytes: request.maxSizeBytes,
      maxDepth: request.depth,
    });
    return { entries: await gather(found, entryOf, context) };
  },
});
