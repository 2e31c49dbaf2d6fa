import { UnsupportedError } from '#base/errors';
import { mountImage } from '#work/mount';
import type { Repository } from '#work/repository';
import type { Setting } from '../setting.ts';
import { imageName } from './look.ts';

/** `mount NAME MOUNTPOINT` */
export async function mount(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', target = ''] = setting.given.operands;
  mountAs(setting, repository, imageName(repository, name), { label: name, target });
}

/** Mounts an image by the mount options of the command line. @throws as `mountImage`; UnsupportedError MOUNT_UNSUPPORTED for FUSE */
export function mountAs(
  { given }: Setting,
  repository: Repository,
  imageId: string,
  { label, target }: { readonly label: string; readonly target: string },
): void {
  if (given.value('fuse') === 'yes') {
    throw new UnsupportedError('MOUNT_UNSUPPORTED', 'Cannot mount by FUSE: not built yet', {
      image: imageId,
      errno: 'ENOSYS',
    });
  }
  const [upper, work] = [given.value('upperdir'), given.value('workdir')];
  const writable = upper === undefined || work === undefined ? undefined : { upper, work };
  mountImage(repository, imageId, target, { label, writable });
}
