import * as v from 'valibot';
import { applyDeltaFile, planDeltaFile } from '#work/pull-commit';
import { trustKeys } from './ostree-keys.ts';
import { trustOf } from './ostree-trust.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { compat, count, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({
    dryRun: v.literal(true),
    wouldCreate: v.boolean(),
    commit: text,
    from: v.nullable(text),
    name: text,
    isPresent: v.boolean(),
    parts: count,
    partBytes: count,
    unpackedBytes: count,
    metadata: count,
    files: count,
    /** Objects that the delta needs and that are not stored. */
    missing: list(text),
    signedBy: list(text),
  }),
  v.object({
    dryRun: v.literal(false),
    commit: text,
    streamId: text,
    imageId: text,
    name: text,
    metadata: count,
    files: count,
    wasPresent: v.boolean(),
    signedBy: list(text),
  }),
]);
export type OstreeApplyDeltaReport = v.InferOutput<typeof report>;

/** `ostree apply-delta`: applies a static delta from a file or its directory. */
export const ostreeApplyDelta = defineVerb({
  request: v.strictObject({
    /** Absolute path. */
    path: text,
    /** The ref of the commit. */
    reference: maybeText,
    ...trustKeys,
    compat,
  }),
  report,
  examples: [
    {
      request: { path: '/tmp/update.delta', reference: 'v1' },
      says: 'Apply a delta and set a ref to its commit',
    },
  ],
  async plan(context, request) {
    const trust = await trustOf(request);
    using repository = await openIfPresent(context);
    const plan = await planDeltaFile(repository, request.path, { trust, signal: context.signal });
    const wouldCreate = repository === undefined;
    return { dryRun: true as const, wouldCreate, ...plan, from: orNull(plan.from) };
  },
  async run(context, request) {
    const trust = await trustOf(request);
    using repository = await openToFill(context);
    const { upstreamId: _, ...done } = await applyDeltaFile(repository, request.path, {
      signal: context.signal,
      onProgress: context.onProgress,
      ref: request.reference,
      trust,
      reading: request.compat,
    });
    return { dryRun: false as const, ...done };
  },
});
