import * as v from 'valibot';
import { plainName } from '#base/bytes';
import { gather } from '#base/flow';
import { type FileChange, listChanges } from '#work/browse';
import { entryOf, entrySchema } from './entry.ts';
import { elsewhereKeys, isReference, openFiles } from './files.ts';
import { isRegistryReference } from './registry-keys.ts';
import { flag, list, text } from './schemas.ts';
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
    ...elsewhereKeys,
  }),
  report,
  examples: [
    { request: { name: 'app', otherName: 'other' }, says: 'Compare the files of two images' },
    {
      request: { name: 'os', otherName: 'app', exitCode: true },
      says: 'Compare a commit with an image, and exit with status 3 if they differ',
    },
  ],
  async run(context, { name, otherName, exitCode: _, ...elsewhere }) {
    const { platform, compat } = elsewhere;
    // Options for images outside of the repository apply to each side that is a reference, and are refused if neither side is one.
    const [isOne, isRegistry] = [isReference, isRegistryReference].map((is) =>
      [name, otherName].some(is),
    );
    const forOne = (one: string) => {
      if (isRegistryReference(one) || (isReference(one) && isRegistry !== true)) return elsewhere;
      if (isReference(one)) return { platform, compat };
      return isOne === true ? {} : elsewhere;
    };
    await using first = await openFiles(context, name, forOne(name), { needsIds: true });
    await using second = await openFiles(context, otherName, forOne(otherName), { needsIds: true });
    const changes = await listChanges(first.view, second.view, context);
    return { changes: await gather(changes, changeOf, context) };
  },
  hasFindings: ({ changes }, { exitCode }) => exitCode === true && changes.length > 0,
});

function changeOf(change: FileChange) {
  return {
    path: plainName(change.path),
    change: change.change,
    differences: change.differences,
    before: change.before === undefined ? null : entryOf(change.before),
    after: change.after === undefined ? null : entryOf(change.after),
  };
}
