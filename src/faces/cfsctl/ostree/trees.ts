import { dumpCommit, ensureCommitImage } from '#work/commits';
import { mountAs } from '../repository/mount.ts';
import type { Setting } from '../setting.ts';

const AS_CFSCTL = { reading: 'cfsctl' } as const;

/** `ostree dump COMMIT` */
export async function dump(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  await setting.write(await dumpCommit(repository, setting.given.operand(0), AS_CFSCTL));
}

/** `ostree compute-id COMMIT` */
export async function computeId(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { imageId } = await ensureCommitImage(repository, setting.given.operand(0), AS_CFSCTL);
  await setting.print(imageId);
}

/** `ostree mount COMMIT MOUNTPOINT` */
export async function mount(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', target = ''] = setting.given.operands;
  const { imageId } = await ensureCommitImage(repository, name);
  await mountAs(setting, repository, imageId, { label: imageId, target });
}
