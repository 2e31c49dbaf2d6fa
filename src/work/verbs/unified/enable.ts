import * as v from 'valibot';
import {
  ENABLE_MODES,
  enableUnified,
  journalListener,
  journalPlaces,
  planEnable,
  type StorageState,
} from '#work/unify';
import { policyKeys, registryKeys, registryOptions } from '../registry-keys.ts';
import { list, text } from '../schemas.ts';
import { defineVerb } from '../verb.ts';
import { binding, storageStatus, storageStatusOf, systemMode, systemModeOf } from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({
  /** `enabled` (default) forbids copies, `enabled-with-copy` allows them, `bound-only` keeps no image for podman, `disabled` turns it off. */
  mode: v.optional(v.picklist(ENABLE_MODES), 'enabled'),
  ...policyKeys,
  ...registryKeys,
});
const image = v.object({ imageReference: text, manifestDigest: text });
const report = v.object({
  dryRun: v.boolean(),
  /** The mode before, and the mode now. */
  modeBefore: systemMode,
  mode: systemMode,
  before: storageStatus,
  after: storageStatus,
  binding,
  /** Images of deployments that were pulled into containers-storage and the composefs repository. */
  filled: list(image),
  /** Commits of deployments that the next `unified pull` replaces by commits made from composefs. */
  pending: list(text),
});
export type UnifiedEnableReport = v.InferOutput<typeof report>;

/** `unified enable`: sets the mode of a system, after the images of its deployments are in the stores. */
export const unifiedEnable = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Keep one copy of images, and refuse filesystems that cannot share it' },
    {
      request: { mode: 'enabled-with-copy' },
      says: 'Allow copies where extents cannot be shared',
    },
    {
      request: { mode: 'bound-only' },
      says: 'Make commits from composefs, and keep no images for podman',
    },
  ],
  async plan(context, { mode }) {
    using sysroot = openSelectedSysroot(context);
    const { before, after, ...planned } = await planEnable(sysroot, mode, context);
    return { dryRun: true, ...changeOf(before, after), ...planned };
  },
  async run(context, asked) {
    using sysroot = openSelectedSysroot(context);
    const { signal, onProgress, jobs, warn } = context;
    const { before, after, ...done } = await enableUnified(sysroot, asked.mode, {
      signal,
      onProgress,
      jobs,
      onWarning: warn,
      onEvent: journalListener(journalPlaces()),
      registry: registryOptions(asked),
    });
    return { dryRun: false, ...changeOf(before, after), ...done };
  },
});

function changeOf(before: StorageState, after: StorageState) {
  return {
    modeBefore: systemModeOf(before),
    mode: systemModeOf(after),
    before: storageStatusOf(before),
    after: storageStatusOf(after),
    binding: after.binding,
  };
}
