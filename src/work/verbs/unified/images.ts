import * as v from 'valibot';
import { openStores, readState, surveyImages } from '#work/unify';
import { list, orNull, text } from '../schemas.ts';
import { defineVerb } from '../verb.ts';
import { deployment, deploymentOf, imageCommit, imageType, presence, typeOf } from './shapes.ts';
import { openSelectedSysroot } from './sysroot.ts';

const request = v.strictObject({});
const report = v.object({
  images: list(
    v.object({
      imageType,
      /** Image references of deployments and refs, then names in containers-storage. */
      names: list(text),
      manifestDigest: text,
      configDigest: v.nullable(text),
      containersStorage: presence,
      composefs: presence,
      ostree: presence,
      /** The tag that keeps the image in the composefs repository. */
      tag: v.nullable(text),
      commits: list(imageCommit),
      deployments: list(deployment),
    }),
  ),
});
export type UnifiedImagesReport = v.InferOutput<typeof report>;

/** `unified images`: lists the images of a system, and what each store has of them. */
export const unifiedImages = defineVerb({
  request,
  report,
  examples: [{ request: {}, says: 'List the images of this system' }],
  async run(context): Promise<UnifiedImagesReport> {
    using sysroot = openSelectedSysroot(context);
    const state = readState(sysroot);
    using stores = await openStores(sysroot, context);
    const images = surveyImages(sysroot, stores).map((image) => ({
      imageType: typeOf(image, state, sysroot.isNative),
      names: [...new Set([...image.references, ...image.names])],
      manifestDigest: image.manifestDigest,
      configDigest: orNull(image.configDigest),
      containersStorage: image.storage,
      composefs: image.composefs,
      ostree: image.ostree,
      tag: image.isTagged ? image.tag : null,
      commits: image.commits.map(({ commit, refs, isSynthesized }) => {
        return { commit, refs, isSynthesized };
      }),
      deployments: image.deployments.map(deploymentOf),
    }));
    return { images };
  },
});
