import { copyStoredImage } from '#work/copy-stored';
import { openRepository } from '#work/repository';
import type { Setting } from '../setting.ts';
import { openByManifest } from './names.ts';

/** `oci copy IMAGE --from PATH` */
export async function copy(setting: Setting): Promise<undefined> {
  using target = await setting.open();
  const { given, signal } = setting;
  const from = given.value('from') ?? '';
  using source = await openRepository(from, { signal });
  const name = given.value('name');
  const image = openByManifest(source, given.operand(0));
  const copied = await copyStoredImage(source, image, target, {
    name,
    mode: given.has('zerocopy') ? 'zerocopy' : 'auto',
    signal,
  });
  const tagged = name === undefined ? '' : `, tagged as ${name}`;
  await setting.print(
    `Copied image ${given.operand(0)} from ${from} to destination repo${tagged}`,
    `Manifest digest: ${copied.manifestDigest}`,
    `Manifest verity: ${copied.manifestStreamId}`,
    `Config digest:   ${copied.configDigest}`,
    `Config verity:   ${copied.configStreamId}`,
  );
}
