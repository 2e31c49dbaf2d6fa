import { canMount, mountByFuse, mountImage, serveByFuse } from '#work/mount';
import type { Repository } from '#work/repository';
import type { Setting } from '../setting.ts';
import { imageName } from './look.ts';

/** `mount NAME MOUNTPOINT` */
export async function mount(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', target = ''] = setting.given.operands;
  await mountAs(setting, repository, imageName(repository, name), { label: name, target });
}

/**
 * Mounts an image by the mount options of the command line. `auto` serves it by FUSE where this user may not mount. In the foreground, it
 * returns when the image is unmounted.
 * @throws as `mountImage` and `mountByFuse`
 */
export async function mountAs(
  { given, signal }: Setting,
  repository: Repository,
  imageId: string,
  { label, target }: { readonly label: string; readonly target: string },
): Promise<void> {
  const [upper, work] = [given.value('upperdir'), given.value('workdir')];
  const writable = upper === undefined || work === undefined ? undefined : { upper, work };
  const how = { label, writable };
  const choice = given.value('fuse') ?? 'auto';
  if (choice === 'no' || (choice === 'auto' && canMount())) {
    mountImage(repository, imageId, target, how);
    return;
  }
  if (!given.has('foreground')) {
    await mountByFuse(repository, imageId, target, { ...how, signal });
    return;
  }
  const session = await serveByFuse(repository, imageId, target, how);
  const end = () => void session.unmount().catch(() => undefined);
  signal.addEventListener('abort', end);
  // A signal that came while the mount was made fires no more.
  if (signal.aborted) end();
  await session.done;
}
