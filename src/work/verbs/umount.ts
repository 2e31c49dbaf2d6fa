import * as v from 'valibot';
import { findMount, type MountedImage, unmountImage } from '#work/mount';
import { orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  dryRun: v.boolean(),
  unmounted: v.object({ target: text, image: text, imageId: v.nullable(text) }),
});
export type UmountReport = v.InferOutput<typeof report>;

/** `umount`: unmounts an image. */
export const umount = defineVerb({
  request: v.strictObject({ directory: text }),
  report,
  examples: [{ request: { directory: '/tmp/mnt' }, says: 'Unmount an image' }],
  async plan(_context, { directory }) {
    return { dryRun: true, unmounted: mountedOf(findMount(directory)) };
  },
  async run(_context, { directory }) {
    return { dryRun: false, unmounted: mountedOf(await unmountImage(directory)) };
  },
});

function mountedOf({ target, image, imageId }: MountedImage) {
  return { target, image, imageId: orNull(imageId) };
}
