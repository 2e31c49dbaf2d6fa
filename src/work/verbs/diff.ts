import * as v from 'valibot';
import { plainName } from '#base/bytes';
import { diffViews } from '#work/browse';
import { entryOf, entrySchema } from './entry.ts';
import { isReference, openFiles } from './files.ts';
import { compat, flag, list, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  changes: list(
    v.object({
      path: text,
      change: v.picklist(['added', 'removed', 'changed']),
      differences: list(
        v.picklist([
          'kind',
          'content',
          'mode',
          'owner',
          'mtime',
          'target',
          'rdev',
          'xattrs',
          'links',
        ]),
      ),
      before: v.nullable(entrySchema),
      after: v.nullable(entrySchema),
    }),
  ),
});
export type DiffReport = v.InferOutput<typeof report>;

/** `diff`: what differs between the files of two images or commits. */
export const diff = defineVerb({
  request: v.strictObject({
    name: text,
    otherName: text,
    exitCode: flag,
    platform: maybeText,
    compat,
  }),
  report,
  examples: [
    { request: { name: 'app', otherName: 'other' }, says: 'Compare the files of two images' },
    {
      request: { name: 'os', otherName: 'app', exitCode: true },
      says: 'Compare a commit with an image, and say it by the exit status',
    },
  ],
  async run(context, { name, otherName, platform, compat: reading }) {
    // A platform is for what lies elsewhere; where neither does, it says nothing.
    const both = [name, otherName].filter(isReference);
    const forOne = (one: string) =>
      isReference(one) || both.length === 0 ? { platform, compat: reading } : {};
    await using first = await openFiles(context, name, forOne(name));
    await using second = await openFiles(context, otherName, forOne(otherName));
    return {
      changes: [...diffViews(first.view, second.view)].map((change) => ({
        path: plainName(change.path),
        change: change.change,
        differences: change.differences,
        before: change.before === undefined ? null : entryOf(change.before),
        after: change.after === undefined ? null : entryOf(change.after),
      })),
    };
  },
  hasFindings: ({ changes }, { exitCode }) => exitCode === true && changes.length > 0,
});
