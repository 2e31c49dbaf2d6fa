import * as v from 'valibot';
import { initChosen, locateRepository } from '#work/repository';
import { openIfPresent } from './repository.ts';
import { erofsVersion, flag, list, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({
    dryRun: v.literal(true),
    repository: text,
    exists: v.boolean(),
    resetMetadata: v.boolean(),
  }),
  v.object({
    dryRun: v.literal(false),
    repository: text,
    created: v.boolean(),
    algorithm: text,
    insecure: v.boolean(),
    /** The default first. */
    erofsVersions: list(erofsVersion),
  }),
]);
export type InitReport = v.InferOutput<typeof report>;

/** `init`: creates a repository, or verifies that an existing one matches. */
export const init = defineVerb({
  request: v.strictObject({
    algorithm: maybeText,
    insecure: flag,
    erofsVersion: v.optional(list(erofsVersion), []),
    /** Deletes all images, refs and streams of an existing repository, and keeps its objects. */
    resetMetadata: flag,
  }),
  report,
  examples: [{ request: { insecure: true }, says: 'Create a repository without fs-verity' }],
  async plan(context, { resetMetadata }) {
    using repository = await openIfPresent(context);
    const exists = repository !== undefined;
    return {
      dryRun: true as const,
      repository: locateRepository(context.repository),
      exists,
      resetMetadata: resetMetadata === true && exists,
    };
  },
  async run(context, request) {
    const { signal, onProgress, requireVerity, warn: onWarning } = context;
    const { repository, path, created } = await initChosen(context.repository, {
      signal,
      onProgress,
      onWarning,
      requireVerity,
      resetMetadata: request.resetMetadata,
      algorithmId: request.algorithm,
      insecure: request.insecure,
      versions: request.erofsVersion,
    });
    using open = repository;
    return {
      dryRun: false as const,
      repository: path,
      created,
      algorithm: `fsverity-${open.algorithm}-12`,
      insecure: open.insecure,
      erofsVersions: open.versions,
    };
  },
});
