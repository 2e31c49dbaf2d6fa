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
import { locateRepository, type Repository } from '#work/repository';
import { openSelected } from './repository.ts';
import { count, flag, list, maybeCount, maybeText, orNull, text, texts } from './schemas.ts';
import { readNamedFile, writeNamedFile } from './small-file.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const request = v.strictObject({
  /** Additional streams or images to keep. */
  root: texts,
  /** Absolute path of a new file for the plan. With it, nothing is removed. */
  plan: maybeText,
  /** Absolute path of a plan. Entries of the plan that are still unused are removed. */
  apply: maybeText,
  timeoutSec: maybeCount,
  /** Number of ancestors to keep of each OSTree commit that has a name (default: all). */
  depth: maybeCount,
  /** Also removes mounted images; reads from those mounts then fail. */
  force: flag,
});
export type GcRequest = v.InferOutput<typeof request>;

const report = v.object({
  dryRun: v.boolean(),
  /** Path of the written plan. */
  plan: v.nullable(text),
  objectsRemoved: count,
  imagesPruned: count,
  streamsPruned: count,
  leftoversRemoved: count,
  freedBytes: count,
  /** Number of ancestors that are no longer kept; null when `depth` was not given. */
  ancestorsForgotten: v.nullable(count),
  /** Mounts whose image is kept only by the mount; with `force`, mounts that break. */
  heldByMounts: list(v.object({ image: text, target: text, imageId: v.nullable(text) })),
  findings: list(v.object({ kind: text, path: text, detail: text })),
  /** Tagged images that are kept for other stores of the system, and what in those relies on them. */
  keptFor: list(v.object({ name: text, reasons: list(text) })),
});
export type GcReport = v.InferOutput<typeof report>;

/** `gc`: removes objects that no image or ref uses. A dry run or a plan reports what would be removed. */
export const gc = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Remove unused objects' },
    {
      request: { timeoutSec: 5 },
      says: 'Wait at most five seconds for the lock of the repository',
    },
  ],
  async plan(context, asked) {
    requireFit(asked);
    requireNoDepth(asked);
    const keptFor = await keptForOthers(context);
    using repository = await openSelected(context);
    const plan =
      asked.apply === undefined
        ? await planGc(repository, optionsOf(context, asked))
        : {
            ...parseGcPlan(readNamedFile(asked.apply).toString('utf8'), asked.apply),
            heldByMounts: [],
          };
    return { ...reportOf(resultOf(plan), true, undefined), keptFor };
  },
  async run(context, asked) {
    requireFit(asked);
    const keptFor = await keptForOthers(context);
    using repository = await openSelected(context);
    const options = optionsOf(context, asked);
    if (asked.plan !== undefined) {
      requireNoDepth(asked);
      const plan = await planGc(repository, options);
      writeNamedFile(asked.plan, Buffer.from(encodeGcPlan(plan)));
      return { ...reportOf(resultOf(plan), true, asked.plan), keptFor };
    }
    const forgotten =
      asked.depth === undefined ? undefined : await forgetAncestors(repository, asked.depth);
    if (asked.apply === undefined) {
      const result = await collectGarbage(repository, options);
      const report = reportOf(result, false, undefined);
      const leftoversRemoved = report.leftoversRemoved + (await removeExports(repository));
      return { ...report, leftoversRemoved, ancestorsForgotten: orNull(forgotten), keptFor };
    }
    const plan = parseGcPlan(readNamedFile(asked.apply).toString('utf8'), asked.apply);
    const result = await applyGc(repository, plan, options);
    return {
      ...reportOf(result, false, undefined),
      ancestorsForgotten: orNull(forgotten),
      keptFor,
    };
  },
  hasFindings: ({ findings }) => findings.length > 0,
});

/** The code of unified storage is loaded only for a repository that may be the one of a system. */
async function keptForOthers({ repository, signal }: VerbContext): Promise<GcReport['keptFor']> {
  const path = locateRepository(repository);
  if (!path.endsWith('/composefs')) return [];
  const { listKeptFor } = await import('#work/unify');
  const kept = await listKeptFor(path, { signal });
  return kept.map(({ name, reasons }) => ({ name, reasons: [...reasons] }));
}

/** Removes the temporary folders of killed exports. The code is loaded only if there are any. */
async function removeExports(repository: Repository): Promise<number> {
  if (repository.exports.listAbandoned().length === 0) return 0;
  const { removeAbandonedExports } = await import('#work/export');
  return removeAbandonedExports(repository);
}

/** The code of OSTree is loaded only for `depth`. */
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
    'Cannot use --plan with --depth: --depth releases commits before objects are removed',
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

/** The counts of the plan, as in the report of a run. */
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
): Omit<GcReport, 'keptFor'> {
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
