import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import { journalListener, journalPlaces, pruneUnified, type UnifiedPrune } from '#work/unify';
import { count, list, text, texts } from '../schemas.ts';
import { defineVerb, type VerbContext } from '../verb.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({
  /** Image references, names or manifest digests to keep even if no deployment uses them. */
  keep: texts,
});
type Request = v.InferOutput<typeof request>;

const report = v.object({
  dryRun: v.boolean(),
  removed: list(
    v.object({
      manifestDigest: text,
      names: list(text),
      refs: list(text),
      /** Result in containers-storage. */
      containersStorage: v.picklist(['removed', 'untagged', 'used', 'absent']),
      layersRemoved: count,
    }),
  ),
  /** Items that each store keeps, with the reason. */
  kept: list(
    v.object({
      store: v.picklist(['composefs', 'containers-storage', 'ostree']),
      name: text,
      reasons: list(text),
    }),
  ),
  /** Objects of the OSTree repository. */
  ostree: v.object({ commits: count, objects: count, sizeBytes: count }),
  /** Objects of the composefs repository; null for a dry run. */
  composefs: v.nullable(v.object({ removed: count, sizeBytes: count })),
});
export type UnifiedPruneReport = v.InferOutput<typeof report>;

/** `unified prune`: removes images of a system that no deployment needs, from all of its stores. */
export const unifiedPrune = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Remove the images that no deployment needs' },
    {
      request: { keep: ['docker://quay.io/ns/app:1'] },
      says: 'Keep an image that is not deployed yet',
    },
  ],
  plan: async (context, asked) => await prune(context, asked, true),
  run: async (context, asked) => await prune(context, asked, false),
});

async function prune(
  context: VerbContext,
  { keep }: Request,
  isPlan: boolean,
): Promise<UnifiedPruneReport> {
  using sysroot = openSelectedSysroot(context);
  const { signal, onProgress, jobs } = context;
  const workers = jobs ?? availableParallelism();
  const onEvent = journalListener(journalPlaces());
  const how = { signal, onProgress, keep, isPlan, workers, onEvent };
  return reportOf(await pruneUnified(sysroot, how), isPlan);
}

function reportOf({ removed, kept, ostree, objects }: UnifiedPrune, dryRun: boolean) {
  const { commits = 0, objects: ostreeObjects = 0, sizeBytes = 0 } = ostree ?? {};
  return {
    dryRun,
    removed: removed.map(({ manifestDigest, references, refs, storage }) => ({
      manifestDigest,
      names: references,
      refs,
      containersStorage: storage?.outcome ?? ('absent' as const),
      layersRemoved: storage?.layers.length ?? 0,
    })),
    kept: kept.map(({ store, name, reasons }) => ({ store, name, reasons })),
    ostree: { commits, objects: ostreeObjects, sizeBytes },
    composefs: objects ?? null,
  };
}
