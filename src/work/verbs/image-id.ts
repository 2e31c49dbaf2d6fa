import * as v from 'valibot';
import { computeNamedId, findNamed } from '#work/catalog';
import { openSelected } from './repository.ts';
import { compat, erofsVersion, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({ name: text, imageId: text });
export type ImageIdReport = v.InferOutput<typeof report>;

/** `image id`: computes the id of the EROFS image from the tree, and stores nothing. */
export const imageId = defineVerb({
  request: v.strictObject({
    name: text,
    erofsVersion: v.optional(erofsVersion),
    compat,
  }),
  report,
  examples: [
    { request: { name: 'app' }, says: 'Compute the id of the EROFS image of an image' },
    {
      request: { name: 'os', erofsVersion: 2 },
      says: 'Compute it in another version of the format',
    },
  ],
  async run(context, { name, erofsVersion: version, compat: reading }) {
    using repository = await openSelected(context);
    const named = findNamed(repository, name);
    const imageId = await computeNamedId(repository, named, { version, reading }, context);
    return { name, imageId };
  },
});
