import type { ContentDigest, ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import {
  bootSlot,
  describeSlot,
  type ImageRow,
  imageSlot,
  listOciImages,
  type OciImage,
  openOciImage,
} from '#work/image';
import type { Repository } from '#work/repository';
import { printListing } from '../listing.ts';
import type { Setting } from '../setting.ts';
import { openByManifest } from './names.ts';
import { requireObjectId } from './values.ts';

/** Digits of a digest in a table. */
const DIGEST_DIGITS = 12;

/** `oci images` */
export async function images(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const documents = listedImages(repository, (name, problem) =>
    setting.warn(`Warning: ${name}: ${problem}\n`),
  );
  const cells = documents.map((entry) => [
    entry.name,
    entry.manifest_digest.replace(/^[^:]+:/, '').slice(0, DIGEST_DIGITS),
    entry.architecture === '' ? 'artifact' : entry.architecture,
    String(entry.layer_count),
    String(entry.referrer_count),
  ]);
  const header = ['NAME', 'DIGEST', 'ARCH', 'LAYERS', 'REFS'];
  return await printListing(setting, { documents, header, cells });
}

/** The tagged images that can be read, containers before artifacts. @param warn told of those that cannot */
export function listedImages(
  repository: Repository,
  warn: (name: string, problem: string) => void = () => {},
): ReturnType<typeof entryOf>[] {
  const all = listOciImages(repository);
  const isArtifact = ({ image }: ImageRow) => image?.config === undefined;
  const rows = [...all.filter((row) => !isArtifact(row)), ...all.filter(isArtifact)];
  for (const { name, problem } of rows) if (problem !== undefined) warn(name, problem.message);
  return rows.filter(({ image }) => image !== undefined).map(entryOf);
}

function entryOf({ name, manifestDigest, image, referrers }: ImageRow) {
  const config = image?.config;
  return {
    name,
    manifest_digest: manifestDigest,
    is_container: config !== undefined,
    architecture: config?.platform?.architecture ?? '',
    os: config?.platform?.os ?? '',
    created: config?.created ?? null,
    layer_count: image?.manifest.layers.length ?? 0,
    referrer_count: referrers,
  };
}

/** `oci inspect IMAGE` */
export async function inspect(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given } = setting;
  const image = openByManifest(repository, given.operand(0));
  if (given.has('manifest') || given.has('config')) {
    await setting.write(given.has('manifest') ? image.manifest.bytes : image.configBytes);
    await setting.write('\n');
    return;
  }
  await setting.print(JSON.stringify(inspectionOf(repository, image), undefined, 2));
}

/** What an image says of itself. */
export function inspectionOf(repository: Repository, image: OciImage) {
  const version = repository.formats.default;
  return {
    manifest: Buffer.from(image.manifest.bytes).toString(),
    config: Buffer.from(image.configBytes).toString(),
    referrers: listReferrers(repository, image.manifestDigest),
    composefs_erofs: image.images.get(imageSlot(version)) ?? null,
    composefs_boot_erofs: image.images.get(bootSlot(version, 'allowlist-only')) ?? null,
  };
}

function listReferrers(repository: Repository, digest: ContentDigest) {
  return repository.refs
    .list('streams', `oci-referrers/${digest}`)
    .map(({ name, id }) => ({ digest: name.slice(name.lastIndexOf('/') + 1), verity: id ?? null }));
}

/** `oci linked-erofs-images EROFS_IMAGE` */
export async function linkedErofsImages(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const wanted = setting.given.operand(0);
  requireImage(repository, wanted);
  const linked = new Map<
    string,
    { bootable: boolean; version: number; xattrMode: string | null }
  >();
  for (const { image } of listOciImages(repository)) {
    const slots = [...(image?.images ?? [])];
    if (!slots.some(([, id]) => id === wanted)) continue;
    for (const [slot, id] of slots) linked.set(id, describeSlot(slot));
  }
  const plainFirst = [...linked].sort(([, a], [, b]) => Number(a.bootable) - Number(b.bootable));
  const rows = plainFirst.map(([id, { bootable, version, xattrMode }]) => {
    return { id, bootable, version, xattrMode };
  });
  await setting.print(JSON.stringify(rows, undefined, 2));
}

/** @throws FormatError DIGEST_INVALID; NotFoundError IMAGE_NOT_FOUND */
function requireImage({ images, algorithm }: Repository, id: string): void {
  requireObjectId(id, algorithm, 'the image');
  if (images.has(id as ObjectId)) return;
  throw new NotFoundError('IMAGE_NOT_FOUND', `image not found: ${id}`, { name: id });
}

/** `oci tag MANIFEST_DIGEST NAME` */
export async function tag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [digest = '', name = ''] = setting.given.operands;
  tagManifest(repository, digest as ContentDigest, name);
  await setting.print(`Tagged ${digest} as ${name}`);
}

/** Gives a stored image a tag. @throws as `openOciImage` */
export function tagManifest(repository: Repository, digest: ContentDigest, name: string): void {
  repository.ensureWritable();
  // A dangling tag would make every later garbage collection fail.
  openOciImage(repository, `@${digest}`);
  repository.tags.set(name, digest);
}

/** `oci untag NAME` */
export async function untag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const name = setting.given.operand(0);
  removeTag(repository, name);
  await setting.print(`Removed tag ${name}`);
}

/** @throws NotFoundError TAG_NOT_FOUND */
export function removeTag(repository: Repository, name: string): void {
  if (repository.tags.remove(name)) return;
  const available = repository.tags.list().map((found) => found.name);
  throw new NotFoundError('TAG_NOT_FOUND', `Cannot remove tag ${name}: there is none`, {
    tag: name,
    available,
  });
}
