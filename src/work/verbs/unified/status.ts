import * as v from 'valibot';
import { listDeployments, openStores, readState, surveyImages } from '#work/unify';
import { count, list, text } from '../schemas.ts';
import { defineVerb } from '../verb.ts';
import {
  binding,
  deployment,
  deploymentOf,
  storageStatus,
  storageStatusOf,
  systemMode,
  systemModeOf,
  typeOf,
} from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({});
const report = v.object({
  sysroot: text,
  mode: systemMode,
  storage: storageStatus,
  binding,
  reflinksSupported: v.boolean(),
  /** True for a host that boots composefs images without OSTree. */
  isNative: v.boolean(),
  stores: list(
    v.object({
      kind: v.picklist(['containers-storage', 'composefs', 'ostree']),
      path: text,
      exists: v.boolean(),
    }),
  ),
  /** Number of images of the system by type, see `unified images`. */
  images: v.object({ unified: count, bound: count, partial: count, host: count }),
  deployments: list(deployment),
});
export type UnifiedStatusReport = v.InferOutput<typeof report>;

/** `unified status`: the mode of a system, its stores and deployments. */
export const unifiedStatus = defineVerb({
  request,
  report,
  examples: [{ request: {}, says: 'Show how the images of this system are stored' }],
  async run(context): Promise<UnifiedStatusReport> {
    using sysroot = openSelectedSysroot(context);
    const state = readState(sysroot);
    using stores = await openStores(sysroot, context);
    const images = { unified: 0, bound: 0, partial: 0, host: 0 };
    for (const image of surveyImages(sysroot, stores)) {
      images[typeOf(image, state, sysroot.isNative)] += 1;
    }
    return {
      sysroot: sysroot.path || '/',
      mode: systemModeOf(state),
      storage: storageStatusOf(state),
      binding: state.binding,
      reflinksSupported: sysroot.canReflinkStores,
      isNative: sysroot.isNative,
      stores: [
        {
          kind: 'containers-storage',
          path: sysroot.storagePath,
          exists: stores.storage !== undefined,
        },
        { kind: 'composefs', path: sysroot.composefsPath, exists: stores.composefs !== undefined },
        { kind: 'ostree', path: sysroot.ostreePath, exists: stores.ostree !== undefined },
      ],
      images,
      deployments: listDeployments(sysroot).map(deploymentOf),
    };
  },
});
