import * as v from 'valibot';
import { planTag, type Tagged, tagNamed, warningOfTwins } from '#work/catalog';
import { openSelected } from './repository.ts';
import { orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  dryRun: v.boolean(),
  kind: v.picklist(['image', 'index', 'commit', 'erofs']),
  name: text,
  manifestDigest: v.nullable(text),
  commit: v.nullable(text),
  imageId: v.nullable(text),
  /** Digest, checksum or image id that the name referred to before; null if it was free or stays as it was. */
  replaced: v.nullable(text),
});
export type TagReport = v.InferOutput<typeof report>;

/** `tag`: gives an image or a commit another name. */
export const tag = defineVerb({
  request: v.strictObject({ name: text, newName: text }),
  report,
  examples: [
    { request: { name: 'app', newName: 'app:stable' }, says: 'Give an image another name' },
  ],
  async plan(context, { name, newName }) {
    using repository = await openSelected(context);
    return reportOf(true, planTag(repository, name, newName));
  },
  async run(context, { name, newName }) {
    using repository = await openSelected(context);
    const tagged = tagNamed(repository, name, newName);
    const warning = warningOfTwins(repository, newName);
    if (warning !== undefined) context.warn(warning);
    return reportOf(false, tagged);
  },
});

function reportOf(
  dryRun: boolean,
  { kind, name, manifestDigest, commit, imageId, replaced }: Tagged,
): TagReport {
  return {
    dryRun,
    kind,
    name,
    manifestDigest: orNull(manifestDigest),
    commit: orNull(commit),
    imageId: orNull(imageId),
    replaced: orNull(replaced),
  };
}
