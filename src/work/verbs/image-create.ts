import * as v from 'valibot';
import { createNamedImage, findNamed, openNamedView } from '#work/catalog';
import { openSelected } from './repository.ts';
import { text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  dryRun: v.boolean(),
  name: text,
  imageId: text,
  /** False when it was there. */
  built: v.boolean(),
});
export type ImageCreateReport = v.InferOutput<typeof report>;

/** `image create`: creates the EROFS image of a stored image or commit, if it is missing. */
export const imageCreate = defineVerb({
  request: v.strictObject({ name: text }),
  report,
  examples: [
    { request: { name: 'os' }, says: 'Create the EROFS image of a commit, if it is missing' },
  ],
  async plan(context, { name }) {
    using repository = await openSelected(context);
    const named = findNamed(repository, name);
    const { imageId } = await openNamedView(repository, named, context);
    return { dryRun: true, name, imageId, built: !repository.images.has(imageId) };
  },
  async run(context, { name }) {
    using repository = await openSelected(context);
    const { signal, onProgress } = context;
    const named = findNamed(repository, name);
    const { imageId, built } = await createNamedImage(repository, named, { signal, onProgress });
    return { dryRun: false, name, imageId, built };
  },
});
