import * as v from 'valibot';
import { gather } from '#base/flow';
import type { WalkedViewEntry } from '#work/browse';
import { entryOf, entrySchema } from './entry.ts';
import { elsewhereKeys, openFiles, pathOf } from './files.ts';
import { count, list, maybeCount, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({ entries: list(v.object({ ...entrySchema.entries, depth: count })) });
export type TreeReport = v.InferOutput<typeof report>;

/** `tree`: prints the tree below a path. */
export const tree = defineVerb({
  request: v.strictObject({
    name: text,
    path: maybeText,
    depth: maybeCount,
    ...elsewhereKeys,
  }),
  report,
  examples: [
    { request: { name: 'app', path: '/usr', depth: 2 }, says: 'Draw the tree below /usr' },
  ],
  async run(context, request) {
    await using opened = await openFiles(context, request.name, request);
    const entries = opened.view.walk(pathOf(request.path), { maxDepth: request.depth });
    const row = (entry: WalkedViewEntry) => ({ ...entryOf(entry), depth: entry.depth });
    return { entries: await gather(entries, row, context) };
  },
});
