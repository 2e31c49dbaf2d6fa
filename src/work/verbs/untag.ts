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
    for (const name of names) requireName(repository, name);
    return { dryRun: true, removed: names };
  },
  async run(context, { names }) {
    using repository = await openSelected(context);
    for (const name of names) untagNamed(repository, name);
    return { dryRun: false, removed: names };
  },
});
