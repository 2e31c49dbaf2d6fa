import * as v from 'valibot';
import { UsageError } from '#base/errors';
import {
  checkUnified,
  type DoneRepair,
  type ImageCheck,
  journalListener,
  journalPlaces,
  planRepairs,
  REPAIR_STEPS,
  repairUnified,
  UNIFIED_FINDING_KINDS,
  type UnifiedCheck,
} from '#work/unify';
import { count, flag, list, orNull, text } from '../schemas.ts';
import { defineVerb, type VerbContext } from '../verb.ts';
import { binding } from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({
  /** Rebuild what is missing in one store from the others. */
  repair: flag,
  /** Also compare the extents of files on the device. */
  extents: flag,
  /** Skip checks that read file contents. */
  metadataOnly: flag,
});
type Request = v.InferOutput<typeof request>;

const repaired = v.object({
  manifestDigest: text,
  step: v.picklist(REPAIR_STEPS),
  /** Null for a repair that succeeded, or is only planned. */
  error: v.nullable(v.object({ code: text, message: text })),
});
const report = v.object({
  dryRun: v.boolean(),
  unifiedStorageEnabled: v.boolean(),
  binding,
  reflinksSupported: v.boolean(),
  images: list(
    v.object({
      /** The tag that keeps the image in the composefs repository, even if the tag is missing. */
      name: text,
      manifestDigest: text,
      configDigest: v.nullable(text),
      inComposefs: v.boolean(),
      inContainersStorage: v.boolean(),
      repaired: v.boolean(),
      ostreeCommitPresent: v.boolean(),
      ostreeCommitSynthesized: v.boolean(),
      isLive: v.boolean(),
      /** True for a deployed commit that the next pull replaces by a commit made from composefs. */
      pending: v.boolean(),
      issues: list(text),
      findings: list(v.object({ kind: v.picklist(UNIFIED_FINDING_KINDS), detail: text })),
      /** Only if extents were compared. */
      sharing: v.nullable(
        v.object({
          files: count,
          sharedFiles: count,
          sharedBytes: count,
          copiedFiles: count,
          repeatedFiles: count,
          repeatedBytes: count,
          copiedBytes: count,
          uncomparedFiles: count,
        }),
      ),
    }),
  ),
  /** Null unless a repair was requested. */
  repairs: v.nullable(list(repaired)),
  ok: v.boolean(),
});
export type UnifiedFsckReport = v.InferOutput<typeof report>;

/** `unified fsck`: checks that the stores of a system agree, and rebuilds what is missing in one of them. */
export const unifiedFsck = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Check that the stores agree' },
    { request: { extents: true }, says: 'Also check that files share their bytes on the device' },
    { request: { repair: true }, says: 'Rebuild what one store lost from the others' },
  ],
  plan: async (context, asked) => await check(context, asked),
  async run(context, asked) {
    if (asked.repair !== true) return await check(context, asked);
    if (asked.metadataOnly === true) {
      throw new UsageError('Cannot repair with --metadata-only: a repair must verify contents');
    }
    using sysroot = openSelectedSysroot(context);
    const { after, repairs } = await repairUnified(sysroot, {
      ...optionsOf(context, asked),
      onEvent: journalListener(journalPlaces()),
    });
    return reportOf(after, repairs, false);
  },
  hasFindings: ({ ok }) => !ok,
  isQuestion: ({ repair }) => repair !== true,
});

async function check(context: VerbContext, asked: Request): Promise<UnifiedFsckReport> {
  using sysroot = openSelectedSysroot(context);
  const found = await checkUnified(sysroot, optionsOf(context, asked));
  const planned = planRepairs(found).map((one) => ({ ...one, error: undefined }));
  return reportOf(found, asked.repair === true ? planned : undefined, true);
}

function optionsOf({ signal, onProgress }: VerbContext, { extents, metadataOnly }: Request) {
  return { signal, onProgress, extents, metadataOnly };
}

function reportOf(
  { binding: bound, canReflink, images, ok }: UnifiedCheck,
  repairs: readonly DoneRepair[] | undefined,
  dryRun: boolean,
): UnifiedFsckReport {
  const done = dryRun ? [] : (repairs ?? []).filter(({ error }) => error === undefined);
  const isRepaired = ({ image }: ImageCheck) =>
    done.some(({ manifestDigest }) => manifestDigest === image.manifestDigest);
  return {
    dryRun,
    unifiedStorageEnabled: bound === 'unified',
    binding: bound,
    reflinksSupported: canReflink,
    images: images.map((one) => ({ ...rowOf(one), repaired: isRepaired(one) })),
    repairs:
      repairs === undefined
        ? null
        : repairs.map(({ manifestDigest, step, error }) => ({
            manifestDigest,
            step,
            error: error === undefined ? null : { code: error.code, message: error.message },
          })),
    ok,
  };
}

function rowOf({ image, isLive, isPending, findings, sharing }: ImageCheck) {
  return {
    name: image.tag,
    manifestDigest: image.manifestDigest,
    configDigest: orNull(image.configDigest),
    inComposefs: image.composefs !== 'missing' && image.isTagged,
    inContainersStorage: image.storage !== 'missing',
    ostreeCommitPresent: image.commits.length > 0,
    ostreeCommitSynthesized: image.commits.some(({ isSynthesized }) => isSynthesized),
    isLive,
    pending: isPending,
    issues: findings.map(({ detail }) => detail),
    findings: findings.map(({ kind, detail }) => ({ kind, detail })),
    sharing: orNull(sharing),
  };
}
