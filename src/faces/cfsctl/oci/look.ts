import type { ContentDigest } from '#base/digest';
import { NotFoundError } from '#base/errors';
import {
  bootSlot,
  describeSlot,
  type ImageRow,
  imageSlot,
  listOciImages,
  openOciImage,
} from '#work/image';
import type { Repository } from '#work/repository';
import { renderGrid } from '../grid.ts';
import type { Setting } from '../setting.ts';
import { openByManifest } from './names.ts';

/** Digits of a digest in a table. */
const DIGEST_DIGITS = 12;

/** `oci images` */
export async function images(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const all = listOciImages(repository);
  // Containers come before artifacts.
  const isArtifact = ({ image }: ImageRow) => image?.config === undefined;
  const rows = [...all.filter((row) => !isArtifact(row)), ...all.filter(isArtifact)];
  for (const { name, problem } of rows) {
    if (problem !== undefined) setting.warn(`Warning: ${name}: ${problem.message}\n`);
  }
  const readable = rows.filter(({ image }) => image !== undefined);
  if (setting.given.has('json')) {
    await setting.print(JSON.stringify({ images: readable.map(entryOf) }, undefined, 2));
    return;
  }
  if (readable.length === 0) {
    await setting.print('No images found');
    return;
  }
  const cells = readable
    .map(entryOf)
    .map((entry) => [
      entry.name,
      entry.manifest_digest.replace(/^[^:]+:/, '').slice(0, DIGEST_DIGITS),
      entry.architecture === '' ? 'artifact' : entry.architecture,
      String(entry.layer_count),
      String(entry.referrer_count),
    ]);
  await setting.write(renderGrid(['NAME', 'DIGEST', 'ARCH', 'LAYERS', 'REFS'], cells));
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
  const texts = [image.manifest.bytes, image.configBytes].map((bytes) => Buffer.from(bytes));
  const [manifest, config] = texts as [Buffer, Buffer];
  if (given.has('manifest') || given.has('config')) {
    await setting.write(given.has('manifest') ? manifest : config);
    await setting.write('\n');
    return;
  }
  const version = repository.formats.default;
  const document = {
    manifest: manifest.toString(),
    config: config.toString(),
    referrers: listReferrers(repository, image.manifestDigest),
    composefs_erofs: image.images.get(imageSlot(version)) ?? null,
    composefs_boot_erofs: image.images.get(bootSlot(version, 'allowlist-only')) ?? null,
  };
  await setting.print(JSON.stringify(document, undefined, 2));
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

/** `oci tag MANIFEST_DIGEST NAME` */
export async function tag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [digest = '', name = ''] = setting.given.operands;
  repository.ensureWritable();
  // A dangling tag would make every later garbage collection fail.
  openOciImage(repository, `@${digest}`);
  repository.tags.set(name, digest as ContentDigest);
  await setting.print(`Tagged ${digest} as ${name}`);
}

/** `oci untag NAME` */
export async function untag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const name = setting.given.operand(0);
  if (!repository.tags.remove(name)) {
    const available = repository.tags.list().map((found) => found.name);
    throw new NotFoundError('TAG_NOT_FOUND', `Cannot remove tag ${name}: there is none`, {
      tag: name,
      available,
    });
  }
  await setting.print(`Removed tag ${name}`);
}
