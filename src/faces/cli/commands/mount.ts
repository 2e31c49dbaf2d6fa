import { resolve } from 'node:path';
import { resolveImageId } from '#work/image';
import { mountImage, unmountImage } from '#work/mount';
import { openChosen } from '#work/repository';
import { type Action, textOption } from '../context.ts';
import { UsageError } from '../output.ts';

/** `mount`: mounts an image over a directory. */
export const mount: Action = async (context, [name = '', directory = ''], options) => {
  const upper = textOption(options, 'upper');
  const work = textOption(options, 'work');
  if ((upper === undefined) !== (work === undefined)) {
    throw new UsageError('Cannot mount a writable layer: expected both --upper and --work');
  }
  using repository = await openChosen(context.selection, {
    ...context.operation,
    requireVerity: context.requireVerity,
  });
  const imageId = await resolveImageId(repository, name);
  const target = resolve(directory);
  if (context.dryRun) {
    context.out.note(`onecopy: would mount ${imageId} over ${target}`);
    return 0;
  }
  const report = mountImage(repository, imageId, target, {
    label: name,
    writable:
      upper === undefined || work === undefined
        ? undefined
        : { upper: resolve(upper), work: resolve(work) },
  });
  if (context.out.json) context.out.document({ mount: report });
  context.out.line(
    `Mounted ${name} over ${target}${report.readOnly ? '' : ', writable'}` +
      `${report.verity ? ', fs-verity enforced' : ''}`,
  );
  return 0;
};

/** `umount`: takes a mounted image away. */
export const umount: Action = async (context, [directory = '']) => {
  const target = resolve(directory);
  if (context.dryRun) {
    context.out.note(`onecopy: would unmount ${target}`);
    return 0;
  }
  const mounted = unmountImage(target);
  if (context.out.json) context.out.document({ unmounted: mounted });
  context.out.line(`Unmounted ${mounted.image} from ${mounted.target}`);
  return 0;
};
