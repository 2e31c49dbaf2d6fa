import * as v from 'valibot';
import { entryOf, entrySchema, xattrsOf, xattrsSchema } from './entry.ts';
import { elsewhereKeys, openFiles, pathOf } from './files.ts';
import { list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  entries: list(v.object({ ...entrySchema.entries, xattrs: xattrsSchema })),
});
export type StatReport = v.InferOutput<typeof report>;

/** `stat`: shows all metadata of files. */
export const stat = defineVerb({
  request: v.strictObject({ name: text, paths: list(text), ...elsewhereKeys }),
  report,
  examples: [
    { request: { name: 'app', paths: ['/hello.txt'] }, says: 'Show all metadata of a file' },
  ],
  async run(context, { name, paths, ...choice }) {
    await using opened = await openFiles(context, name, choice);
    const { view } = opened;
    return {
      entries: paths.map((path) => {
        const entry = view.stat(pathOf(path));
        return { ...entryOf(entry), xattrs: xattrsOf(view, entry) };
      }),
    };
  },
});
