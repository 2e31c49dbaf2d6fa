import * as v from 'valibot';
import { openStored } from '#work/commits';
import { exportCommit, OSTREE_MODES } from '#work/export-commit';
import { openSelected } from './repository.ts';
import { count, list, text, texts } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({
    dryRun: v.literal(true),
    commit: text,
    path: text,
    refs: list(text),
    objects: count,
  }),
  v.object({
    dryRun: v.literal(false),
    commit: text,
    path: text,
    mode: v.picklist(OSTREE_MODES),
    created: v.boolean(),
    refs: list(text),
    metadataWritten: count,
    filesWritten: count,
    filesReflinked: count,
    objectsPresent: count,
    contentBytes: count,
  }),
]);
export type OstreeExportReport = v.InferOutput<typeof report>;

/** `ostree export`: writes a commit to an OSTree repository, contents by reflink where the filesystem can. */
export const ostreeExport = defineVerb({
  request: v.strictObject({
    commit: text,
    /** Absolute path of the repository. */
    path: text,
    /** What it is called there. */
    reference: texts,
    /** The mode of a repository that is created. Without it, a missing repository is refused. */
    mode: v.optional(v.picklist(OSTREE_MODES)),
  }),
  report,
  examples: [
    {
      request: { commit: 'os', path: '/tmp/os-out', reference: ['os'], mode: 'archive' },
      says: 'Write a commit to a new repository',
    },
  ],
  async plan(context, { commit: name, path, reference: refs }) {
    using repository = await openSelected(context);
    const { checksum: commit, objects } = openStored(repository, name);
    return { dryRun: true as const, commit, path, refs, objects: objects.size };
  },
  async run(context, { commit, path, reference: refs, mode: createMode }) {
    using repository = await openSelected(context);
    const { signal, onProgress } = context;
    const done = await exportCommit(repository, commit, path, {
      signal,
      onProgress,
      refs,
      createMode,
    });
    return { dryRun: false as const, ...done };
  },
});
