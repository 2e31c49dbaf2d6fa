import * as v from 'valibot';
import type { ImageView, ViewEntry } from '#work/browse';
import { elsewhereKeys, openFiles, pathOf } from './files.ts';
import { count, list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

/** `cat`: the contents of files; each is verified before its first byte. */
export const cat = defineVerb({
  request: v.strictObject({ name: text, paths: list(text), ...elsewhereKeys }),
  report: v.object({ files: count, sizeBytes: count }),
  examples: [{ request: { name: 'app', paths: ['/hello.txt'] }, says: 'Print a file of an image' }],
  async run(context, { name, paths, ...choice }) {
    await using opened = await openFiles(context, name, choice);
    const { view } = opened;
    const { entries, failure } = findAll(view, paths);
    await opened.bring(entries);
    let sizeBytes = 0;
    for (const entry of entries) {
      for (const piece of view.read(entry)) {
        context.signal.throwIfAborted();
        sizeBytes += piece.length;
        await context.write(Buffer.from(piece));
      }
    }
    if (failure !== undefined) throw failure.error;
    return { files: entries.length, sizeBytes };
  },
  givesContents: () => true,
});

/** The files of the paths, up to the first path that does not exist. */
function findAll(view: ImageView, paths: readonly string[]) {
  const entries: ViewEntry[] = [];
  try {
    for (const path of paths) entries.push(view.stat(pathOf(path), { follow: true }));
  } catch (error) {
    return { entries, failure: { error } };
  }
  return { entries, failure: undefined };
}
