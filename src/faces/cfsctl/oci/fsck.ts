import { availableParallelism } from 'node:os';
import { checkOciImages, checkRepository } from '#work/check';
import type { Setting } from '../setting.ts';
import { ociFsckDocument, renderOciFsckText } from './fsck-report.ts';

/** `oci fsck [IMAGE]` */
export async function fsck(setting: Setting): Promise<number | undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const [name] = given.operands;
  const report = await checkRepository(repository, { signal, workers: availableParallelism() });
  const images = await checkOciImages(repository, {
    signal,
    // composefs-rs ignores tags of indexes.
    names: name === undefined ? repository.tags.list().map((tag) => tag.name) : [name],
  });
  if (given.has('json')) {
    await setting.print(JSON.stringify(ociFsckDocument(report, images), undefined, 2));
    return undefined;
  }
  await setting.write(renderOciFsckText(report, images));
  if (report.ok && images.ok) return undefined;
  setting.warn('Error: OCI integrity check failed\n');
  return 1;
}
