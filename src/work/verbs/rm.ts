import * as v from 'valibot';
import { planRemoveAllNamed, type Removed, removeAllNamed } from '#work/catalog';
import { openSelected } from './repository.ts';
import { list, orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  dryRun: v.boolean(),
  removed: list(
    v.object({
      kind: v.picklist(['image', 'index', 'commit', 'erofs']),
      manifestDigest: v.nullable(text),
      commit: v.nullable(text),
      imageId: v.nullable(text),
      names: list(text),
      /** Names that still point to it. */
      remaining: list(text),
    }),
  ),
});
export type RmReport = v.InferOutput<typeof report>;

/** `rm`: removes images and commits by name, or by id with all their names. The next `gc` frees their objects. */
export const rm = defineVerb({
  request: v.strictObject({ names: list(text) }),
  report,
  examples: [{ request: { names: ['extra'] }, says: 'Remove an image' }],
  async plan(context, { names }) {
    using repository = await openSelected(context);
    return { dryRun: true, removed: planRemoveAllNamed(repository, names).map(rowOf) };
  },
  async run(context, { names }) {
    using repository = await openSelected(context);
    return { dryRun: false, removed: removeAllNamed(repository, names).map(rowOf) };
  },
});

function rowOf({ kind, manifestDigest, commit, imageId, names, remaining }: Removed) {
  return {
    kind,
    manifestDigest: orNull(manifestDigest),
    commit: orNull(commit),
    imageId: orNull(imageId),
    names,
    remaining,
  };
}
