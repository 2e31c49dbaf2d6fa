import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { buildBootImages, matchBootImage } from '#work/boot';
import { bootSlot } from '#work/image';
import { pullImage } from '#work/pull-image';
import type { Setting } from '../setting.ts';
import { statsOf } from './units.ts';
import { localFetch } from './values.ts';

/** Extended attributes of the bootable image that a pull makes. */
const XATTRS = 'allowlist-only';

/** `oci pull IMAGE [NAME]` */
export async function pull(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given } = setting;
  const [reference = '', name = reference] = given.operands;
  const expected = given.value('expected-digest');
  if (expected !== undefined) requireId(expected, repository.algorithm);
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

/** @throws FormatError DIGEST_INVALID */
function requireId(text: string, algorithm: 'sha256' | 'sha512'): void {
  const digits = algorithm === 'sha256' ? 64 : 128;
  if (text.length === digits && /^[0-9a-f]+$/.test(text)) return;
  throw new FormatError(
    'DIGEST_INVALID',
    `Cannot read --expected-digest: expected ${digits} hexadecimal digits, found "${text}"`,
    { offset: 0, what: '--expected-digest' },
  );
}
