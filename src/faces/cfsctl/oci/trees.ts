import { IntegrityError, NotFoundError, UnsupportedError } from '#base/errors';
import {
  computeImageId,
  dumpImage,
  imageSlot,
  type OciImage,
  parseXattrMode,
  type XattrMode,
} from '#work/image';
import type { Repository } from '#work/repository';
import { mountAs } from '../repository/mount.ts';
import type { Setting } from '../setting.ts';
import { openByBareDigest, openByConfig } from './names.ts';

/** `oci compute-id CONFIG [CONFIG_VERITY]` */
export async function computeId(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const image = openNamed(setting, repository);
  await setting.print(computeImageId(repository, `@${image.manifestDigest}`, treeOptions(setting)));
}

/** `oci dump CONFIG [CONFIG_VERITY]` */
export async function dump(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const image = openNamed(setting, repository);
  await setting.write(dumpImage(repository, `@${image.manifestDigest}`, treeOptions(setting)));
}

/** `oci mount IMAGE MOUNTPOINT` */
export async function mount(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', target = ''] = setting.given.operands;
  const image = openByBareDigest(repository, name);
  const plain = imageSlot(repository.formats.default);
  const slot = setting.given.has('bootable') ? plain.replace('image', 'image.boot') : plain;
  const id = image.images.get(slot);
  if (id === undefined) {
    throw new NotFoundError(
      'IMAGE_NOT_FOUND',
      `Cannot mount "${name}": it has no EROFS image for ${slot}`,
      { name },
    );
  }
  mountAs(setting, repository, id, { label: id, target });
}

function treeOptions({ given }: Setting): {
  readonly xattrs: XattrMode;
  readonly reading: 'cfsctl';
} {
  if (given.has('bootable')) {
    throw new UnsupportedError('IMAGE_NOT_BUILDABLE', 'Cannot build a bootable image yet', {
      image: given.operand(0),
      configType: '',
    });
  }
  return { xattrs: parseXattrMode(given.value('xattrs') ?? 'allowlist-only'), reading: 'cfsctl' };
}

/** The image of the operands; a stream id beside its name must be that of its config. */
function openNamed({ given }: Setting, repository: Repository): OciImage {
  const image = openByConfig(repository, given.operand(0));
  const expected = given.operands[1];
  if (expected === undefined || expected === image.configStreamId) return image;
  throw new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot open config ${image.manifest.config.digest}: expected stream ${expected}, found ${image.configStreamId}`,
    { expected, found: image.configStreamId },
  );
}
