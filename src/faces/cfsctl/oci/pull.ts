import { pullImage } from '#work/pull-image';
import type { Setting } from '../setting.ts';
import { formatBytes } from './units.ts';

/** `oci pull IMAGE [NAME]` */
export async function pull(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [reference = '', name = reference] = setting.given.operands;
  const report = await pullImage(repository, reference, {
    name,
    reading: 'cfsctl',
    keepFirstStreams: true,
    signal: setting.signal,
  });
  const { objects, bytes } = report;
  await setting.print(
    `manifest ${report.manifestDigest}`,
    `config   ${report.configDigest}`,
    `verity   ${report.firstManifestStreamId}`,
    `tagged   ${name}`,
    `objects  ${objects.stored} new + ${objects.reused} already present objects; ` +
      `${formatBytes(bytes.stored)} stored, ${formatBytes(bytes.inlined)} inlined`,
  );
}
