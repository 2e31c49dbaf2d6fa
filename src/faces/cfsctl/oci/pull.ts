import type { ObjectId } from '#base/digest';
import { buildBootImages, matchBootImage } from '#work/boot';
import { bootSlot } from '#work/image';
import { pullImage } from '#work/pull-image';
import type { Setting } from '../setting.ts';
import { statsOf } from './units.ts';
import { localFetch, requireObjectId } from './values.ts';

/** Extended attributes of the bootable image that a pull makes. */
const XATTRS = 'allowlist-only';

/** `oci pull IMAGE [NAME]` */
export async function pull(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given } = setting;
  const [reference = '', name = reference] = given.operands;
  const expected = given.value('expected-digest');
  if (expected !== undefined) {
    requireObjectId(expected, repository.algorithm, '--expected-digest');
  }
  const version = repository.formats.default;
  const bootImages = (image: string) => buildBootImages(repository, image);
  const isBootable = given.has('bootable') && expected === undefined;
  const report = await pullImage(repository, reference, {
    name,
    reading: 'cfsctl',
    reflink: localFetch(given.value('local-fetch') ?? 'auto'),
    likeUpstream: { moreImages: isBootable ? bootImages : undefined },
    signal: setting.signal,
  });
  await setting.print(
    `manifest ${report.manifestDigest}`,
    `config   ${report.configDigest}`,
    `verity   ${report.firstManifestStreamId}`,
    `tagged   ${name}`,
    `objects  ${statsOf(report)}`,
  );
  if (isBootable) await setting.print(`Boot image: ${report.imageIds[bootSlot(version, XATTRS)]}`);
  if (expected === undefined) return;
  const found = await matchBootImage(repository, `@${report.manifestDigest}`, expected as ObjectId);
  await setting.print(
    `Boot image: ${found.id} (xattr-mode=${found.xattrs}, format-version=V${found.version})`,
  );
}
