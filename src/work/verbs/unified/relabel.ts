import * as v from 'valibot';
import { relabelSysroot } from '#work/relabel';
import { count, maybeText } from '../schemas.ts';
import { defineVerb, type VerbContext } from '../verb.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({
  /** Absolute path of a root with an SELinux policy (default: the newest deployment). */
  policyRoot: maybeText,
});
type Request = v.InferOutput<typeof request>;

const report = v.object({
  dryRun: v.boolean(),
  /** False: no policy was found, and nothing was labelled. */
  hasPolicy: v.boolean(),
  labelled: count,
  /** Inodes that already had a label. */
  present: count,
  /** Inodes for which the policy has no label. */
  without: count,
  /** Deployments, which were skipped. */
  deployments: count,
  /** Mount points, which were not entered. */
  mounts: count,
});
export type UnifiedRelabelReport = v.InferOutput<typeof report>;

/** `unified relabel`: sets SELinux labels on everything in a system that has none, but not in deployments. */
export const unifiedRelabel = defineVerb({
  request,
  report,
  examples: [{ request: {}, says: 'Label the stores of a system that was just installed' }],
  plan: async (context, asked) => await relabel(context, asked, true),
  run: async (context, asked) => await relabel(context, asked, false),
  hasFindings: ({ hasPolicy }) => !hasPolicy,
});

async function relabel(
  context: VerbContext,
  { policyRoot }: Request,
  dryRun: boolean,
): Promise<UnifiedRelabelReport> {
  using sysroot = openSelectedSysroot(context);
  const { signal, onProgress } = context;
  const path = sysroot.path === '' ? '/' : sysroot.path;
  const options = { signal, onProgress, policyRoot, isPlan: dryRun };
  return { dryRun, ...(await relabelSysroot(path, options)) };
}
