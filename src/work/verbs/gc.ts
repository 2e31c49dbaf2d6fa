import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import { UsageError } from '#base/errors';
import {
  applyGc,
  collectGarbage,
  encodeGcPlan,
  type GcPlan,
  type GcResult,
  type MountEffects,
  parseGcPlan,
  planGc,
} from '#work/check';
import type { Repository } from '#work/repository';
import { openSelected } from './repository.ts';
import { count, flag, list, maybeCount, maybeText, orNull, text, texts } from './schemas.ts';
import { readNamedFile, writeNamedFile } from './small-file.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const request = v.strictObject({
  /** Further streams or images to keep. */
  root: texts,
  /** Absolute path of a new file for the plan; then nothing is removed. */
  plan: maybeText,
  /** Absolute path of a plan; what it names and what still nothing uses is removed. */
  apply: maybeText,
  timeoutSec: maybeCount,
  /** Ancestors to keep of each OSTree commit that has a name; all when it is absent. */
  depth: maybeCount,
  /** Removes images that are mounted, too; reading those mounts then fails. */
  force: flag,
});
export type GcRequest = v.InferOutput<typeof request>;

const report = v.object({
  dryRun: v.boolean(),
  /** The file that the plan was written to. */
  plan: v.nullable(text),
  objectsRemoved: count,
  imagesPruned: count,
  streamsPruned: count,
  leftoversRemoved: count,
  freedBytes: count,
  /** Commits that are kept no longer as ancestors; null when `depth` was not given. */
  ancestorsForgotten: v.nullable(count),
  /** Mounts whose image only they keep; with `force` those that break. */
  heldByMounts: list(v.object({ image: text, target: text, imageId: v.nullable(text) })),
  findings: list(v.object({ kind: text, path: text, detail: text })),
});
export type GcReport = v.InferOutput<typeof report>;

/** `gc`: removes objects that no image or ref uses; as a dry run or with a plan it says what would go. */
export const gc = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Remove what nothing uses any more' },
    {
      request: { timeoutSec: 5 },
      says: 'Wait at most five seconds for other users',
    },
  ],
  async plan(context, asked) {
    requireFit(asked);
    requireNoDepth(asked);
    using repository = await openSelected(context);
    const plan =
      asked.apply === undefined
        ? await planGc(repository, optionsOf(context, asked))
        : {
            ...parseGcPlan(readNamedFile(asked.apply).toString('utf8'), asked.apply),
            heldByMounts: [],
          };
    return reportOf(resultOf(plan), true, undefined);
  },
  async run(context, asked) {
    requireFit(asked);
    using repository = await openSelected(context);
    const options = optionsOf(context, asked);
    if (asked.plan !== undefined) {
      requireNoDepth(asked);
      const plan = await planGc(repository, options);
      writeNamedFile(asked.plan, Buffer.from(encodeGcPlan(plan)));
      return reportOf(resultOf(plan), true, asked.plan);
    }
    const forgotten =
      asked.depth === undefined ? undefined : await forgetAncestors(repository, asked.depth);
    if (asked.apply === undefined) {
      const result = await collectGarbage(repository, options);
      return { ...reportOf(result, false, undefined), ancestorsForgotten: orNull(forgotten) };
    }
    const plan = parseGcPlan(readNamedFile(asked.apply).toString('utf8'), asked.apply);
    const result = await applyGc(repository, plan, options);
    return { ...reportOf(result, false, undefined), ancestorsForgotten: orNull(forgotten) };
  },
  hasFindings: ({ findings }) => findings.length > 0,
});

/** OSTree is loaded where it is asked for. */
async function forgetAncestors(repository: Repository, depth: number): Promise<number> {
  const commits = await import('#work/commits');
  return commits.forgetAncestors(repository, depth);
}

function requireFit({ apply, plan, root }: GcRequest): void {
  if (apply === undefined || (plan === undefined && root.length === 0)) return;
  throw new UsageError('Cannot apply a plan: expected --apply alone, without --plan and --root');
}

function requireNoDepth({ depth }: GcRequest): void {
  if (depth === undefined) return;
  throw new UsageError(
    'Cannot plan with --depth: it lets go of commits before anything is removed',
  );
}

function optionsOf(
  { signal, onProgress, jobs }: VerbContext,
  { root, timeoutSec, force }: GcRequest,
) {
  const timeoutMs = timeoutSec === undefined ? undefined : timeoutSec * 1000;
  return {
    signal,
    onProgress,
    roots: root,
    timeoutMs,
    workers: jobs ?? availableParallelism(),
    force,
  };
}

/** The plan counted as if it were done. */
function resultOf(plan: GcPlan & MountEffects): GcResult & MountEffects {
  const prunedBelow = (prefix: string) =>
    plan.links.filter(({ path }) => path.startsWith(prefix)).length;
  return {
    objectsRemoved: plan.objects.length,
    objectsBytes: plan.objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    imagesPruned: prunedBelow('images/'),
    streamsPruned: prunedBelow('streams/'),
    leftoversRemoved: plan.leftovers.length,
    findings: plan.findings,
    heldByMounts: plan.heldByMounts,
  };
}

function reportOf(
  result: GcResult & MountEffects,
  dryRun: boolean,
  plan: string | undefined,
): GcReport {
  const { objectsBytes, findings, heldByMounts, ...counts } = result;
  const held = heldByMounts.map((one) => ({ ...one, imageId: orNull(one.imageId) }));
  const ancestorsForgotten = null;
  return {
    dryRun,
    plan: orNull(plan),
    ...counts,
    freedBytes: objectsBytes,
    ancestorsForgotten,
    heldByMounts: held,
    findings,
  };
}
