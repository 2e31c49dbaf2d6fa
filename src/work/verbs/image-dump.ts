import * as v from 'valibot';
import { dumpNamed, findNamed } from '#work/catalog';
import { openSelected } from './repository.ts';
import { compat, count, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

/** `image dump`: prints the tree of an image or a commit as a composefs dumpfile. */
export const imageDump = defineVerb({
  request: v.strictObject({ name: text, compat }),
  report: v.object({ sizeBytes: count }),
  examples: [{ request: { name: 'app' }, says: 'Print the tree of an image as a dumpfile' }],
  async run(context, { name, compat: reading }) {
    using repository = await openSelected(context);
    const named = findNamed(repository, name);
    const bytes = await dumpNamed(repository, named, { reading }, context);
    await context.write(bytes);
    return { sizeBytes: bytes.length };
  },
  givesContents: () => true,
});
