import * as v from 'valibot';
import { syncStorage } from '#work/unify';
import { count, list, text } from '../schemas.ts';
import { defineVerb, type VerbContext } from '../verb.ts';
import { binding } from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({});
const report = v.object({
  dryRun: v.boolean(),
  binding,
  checked: count,
  alreadyPresent: count,
  restored: list(
    v.object({ manifestDigest: text, name: text, reflinkedFiles: count, copiedFiles: count }),
  ),
  failures: list(v.object({ manifestDigest: text, code: text, message: text })),
});
export type UnifiedSyncReport = v.InferOutput<typeof report>;

/** `unified sync`: restores images of a system that are missing in containers-storage. */
export const unifiedSync = defineVerb({
  request,
  report,
  examples: [{ request: {}, says: 'Restore images that podman no longer has' }],
  plan: async (context) => await sync(context, true),
  run: async (context) => await sync(context, false),
  hasFindings: ({ failures }) => failures.length > 0,
});

async function sync(context: VerbContext, dryRun: boolean): Promise<UnifiedSyncReport> {
  using sysroot = openSelectedSysroot(context);
  const { signal, onProgress } = context;
  const { failures, restored, ...done } = await syncStorage(sysroot, {
    signal,
    onProgress,
    isPlan: dryRun,
  });
  return {
    dryRun,
    ...done,
    restored: [...restored],
    failures: failures.map(({ manifestDigest, error }) => {
      return { manifestDigest, code: error.code, message: error.message };
    }),
  };
}
