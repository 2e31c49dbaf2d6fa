import * as v from 'valibot';
import { UnsupportedError } from '#base/errors';
import { readHistory } from '#work/commits';
import { openOciImage } from '#work/image';
import type { ResolvedImage } from '#work/pull-image';
import { summaryOf, summarySchema } from './commit-summary.ts';
import { findOfPlatform, isReference, resolveReference } from './files.ts';
import { registryKeys } from './registry-keys.ts';
import { openSelected } from './repository.ts';
import { count, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys } from './verb.ts';

const imageReport = v.object({
  name: text,
  kind: v.literal('image'),
  history: list(
    v.object({
      created: v.nullable(text),
      createdBy: v.nullable(text),
      comment: v.nullable(text),
      author: v.nullable(text),
      /** The layer that this step created. */
      diffId: v.nullable(text),
      sizeBytes: count,
    }),
  ),
});
const commitReport = v.object({
  name: text,
  kind: v.literal('commit'),
  commits: list(summarySchema),
  /** The first ancestor that is not stored. */
  missing: v.nullable(text),
});
const report = v.variant('kind', [imageReport, commitReport]);
export type HistoryReport = v.InferOutput<typeof report>;

/** `history`: lists the build steps of an image, newest last, or a commit and its stored ancestors, newest first. */
export const history = defineVerb({
  request: v.strictObject({
    name: text,
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    platform: maybeText,
    ...registryKeys,
  }),
  report,
  examples: [
    { request: { name: 'app' }, says: 'Show how an image was built' },
    { request: { name: 'os', limit: 5 }, says: 'Show a commit and its stored ancestors' },
  ],
  async run(context, asked) {
    if (isReference(asked.name)) {
      refuseKeys(asked, ['limit'], `show the history of "${asked.name}"`);
      const found = await resolveReference(context, asked.name, asked);
      return { name: asked.name, kind: 'image' as const, history: stepsOf(asked.name, found) };
    }
    refuseKeys(asked, Object.keys(registryKeys), `show the history of "${asked.name}"`);
    using repository = await openSelected(context);
    const named = findOfPlatform(repository, asked.name, asked.platform);
    if (named.kind === 'commit') {
      const { commits, missing } = readHistory(repository, named.ref ?? named.commit, asked.limit);
      const list = commits.map(summaryOf);
      return { name: asked.name, kind: 'commit' as const, commits: list, missing: orNull(missing) };
    }
    refuseKeys(asked, ['limit'], `show the history of "${asked.name}"`);
    if (named.kind !== 'image') throw withoutHistory(asked.name, true);
    const image = openOciImage(repository, `@${named.manifestDigest}`);
    return { name: asked.name, kind: 'image' as const, history: stepsOf(asked.name, image) };
  },
});

function stepsOf(name: string, { config, manifest }: Pick<ResolvedImage, 'config' | 'manifest'>) {
  if (config === undefined) throw withoutHistory(name, false);
  let layer = 0;
  return config.history.map((step) => {
    const index = step.emptyLayer ? undefined : layer++;
    return {
      created: orNull(step.created),
      createdBy: orNull(step.createdBy),
      comment: orNull(step.comment),
      author: orNull(step.author),
      diffId: orNull(index === undefined ? undefined : config.diffIds[index]),
      sizeBytes: (index === undefined ? 0 : manifest.layers[index]?.sizeBytes) ?? 0,
    };
  });
}

function withoutHistory(name: string, isErofs: boolean): UnsupportedError {
  const found = isErofs ? 'a bare EROFS image' : 'an artifact';
  return new UnsupportedError(
    'IMAGE_WITHOUT_HISTORY',
    `Cannot show the history of "${name}": expected a container image or a commit, found ${found}`,
    { image: name, found },
    { hint: `Show its documents with: onecopy inspect ${name}` },
  );
}
