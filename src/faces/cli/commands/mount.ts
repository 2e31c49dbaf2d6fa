import { resolve } from 'node:path';
import { resolveImageId } from '#work/image';
import { findMount, mountImage, unmountImage } from '#work/mount';
import { type Action, textOption } from '../context.ts';
import { UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';

/** `mount`: mounts an image over a directory. */
export const mount: Action = async (context, [name = '', directory = ''], options) => {
  const upper = textOption(options, 'upper');
  const work = textOption(options, 'work');
  if ((upper === undefined) !== (work === undefined)) {
    throw new UsageError('Cannot mount a writable layer: expected both --upper and --work');
  }
  using repository = await openSelected(context);
  const imageId = resolveImageId(repository, name);
  const target = resolve(directory);
  if (context.dryRun) {
    if (context.out.json) context.out.document({ dryRun: true, name, imageId, target });
    context.out.line(`Would mount ${name} (${imageId}) over ${target}`);
    return 0;
  }
  const report = mountImage(repository, imageId, target, {
    label: name,
    writable:
      upper === undefined || work === undefined
        ? undefined
        : { upper: resolve(upper), work: resolve(work) },
  });
  if (context.out.json) context.out.document({ dryRun: false, mount: report });
  context.out.line(
    `Mounted ${name} over ${target}${report.readOnly ? '' : ', writable'}` +
      `${report.verity ? ', fs-verity enforced' : ''}`,
  );
  return 0;
};

/** `umount`: takes a mounted image away. */
export const umount: Action = async (context, [directory = '']) => {
  const target = resolve(directory);
  const mounted = context.dryRun ? findMount(target) : unmountImage(target);
  if (context.out.json) context.out.document({ dryRun: context.dryRun, unmounted: mounted });
  context.out.line(
    `${context.dryRun ? 'Would unmount' : 'Unmounted'} ${mounted.image} from ${mounted.target}`,
  );
  return 0;
};
