import * as v from 'valibot';
import { openStored } from '#work/commits';
import { commitOf, commitSchema } from './commit-summary.ts';
import { openSelected } from './repository.ts';
import { text } from './schemas.ts';
import { defineVerb } from './verb.ts';

export type OstreeShowReport = v.InferOutput<typeof commitSchema>;

/** `ostree show`: one commit with its metadata. */
export const ostreeShow = defineVerb({
  request: v.strictObject({ commit: text }),
  report: commitSchema,
  examples: [{ request: { commit: 'os' }, says: 'Show a commit' }],
  async run(context, { commit }) {
    using repository = await openSelected(context);
    return commitOf(openStored(repository, commit));
  },
});
