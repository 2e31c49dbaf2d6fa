import * as v from 'valibot';
import { requireName, untagNamed } from '#work/catalog';
import { openSelected } from './repository.ts';
import { list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({ dryRun: v.boolean(), removed: list(text) });
export type UntagReport = v.InferOutput<typeof report>;

/** `untag`: removes names, also dangling ones. */
export const untag = defineVerb({
  request: v.strictObject({ names: list(text) }),
  report,
  examples: [{ request: { names: ['extra'] }, says: 'Remove a name' }],
  async plan(context, { names }) {
    using repository = await openSelected(context);
    const removed = [...new Set(names)];
    for (const name of removed) requireName(repository, name);
    return { dryRun: true, removed };
  },
  async run(context, { names }) {
    using repository = await openSelected(context);
    const removed = [...new Set(names)];
    // If one is not found, none is removed.
    for (const name of removed) requireName(repository, name);
    for (const name of removed) untagNamed(repository, name);
    return { dryRun: false, removed };
  },
});
