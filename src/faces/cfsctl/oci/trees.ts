import { NotFoundError } from '#base/errors';
import { computeBootImageId, dumpBootImage } from '#work/boot';
import {
  bootSlot,
  computeImageId,
  dumpImage,
  imageSlot,
  parseXattrMode,
  type XattrMode,
} from '#work/image';
import { mountAs } from '../repository/mount.ts';
import type { Setting } from '../setting.ts';
import { openByBareDigest, openConfigured } from './names.ts';

/** `oci compute-id CONFIG [CONFIG_VERITY]` */
export async function computeId(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const image = openConfigured(setting, repository);
  const xattrs = xattrsOf(setting);
  const name = `@${image.manifestDigest}`;
  const id = setting.given.has('bootable')
    ? await computeBootImageId(repository, image, { xattrs })
    : await computeImageId(repository, name, { xattrs, reading: 'cfsctl' });
  await setting.print(id);
}

/** `oci dump CONFIG [CONFIG_VERITY]` */
export async function dump(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const image = openConfigured(setting, repository);
  const xattrs = xattrsOf(setting);
  const name = `@${image.manifestDigest}`;
  await setting.write(
    setting.given.has('bootable')
      ? await dumpBootImage(repository, image, xattrs)
      : await dumpImage(repository, name, { xattrs, reading: 'cfsctl' }),
  );
}

/** `oci mount IMAGE MOUNTPOINT` */
export async function mount(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', target = ''] = setting.given.operands;
  const image = openByBareDigest(repository, name);
  const version = repository.formats.default;
  const isBootable = setting.given.has('bootable');
  const slot = isBootable ? bootSlot(version, 'allowlist-only') : imageSlot(version);
  const id = image.images.get(slot);
  if (id === undefined) {
    throw new NotFoundError(
      'IMAGE_NOT_FOUND',
      `Cannot mount "${name}": it has no EROFS image for ${slot}`,
      { name },
    );
  }
  await mountAs(setting, repository, id, { label: id, target });
}

function xattrsOf({ given }: Setting): XattrMode {
  return parseXattrMode(given.value('xattrs') ?? 'allowlist-only');
}
