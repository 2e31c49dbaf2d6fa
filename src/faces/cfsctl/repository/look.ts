import { NotFoundError } from '#base/errors';
import {
  dumpImageFile,
  listImageObjects,
  openImageFiles,
  payloadOfImageFile,
  readStream,
} from '#work/dump';
import type { Repository } from '#work/repository';
import { printListing } from '../listing.ts';
import type { Setting } from '../setting.ts';

/** Digits of an id in a table. */
const ID_DIGITS = 12;

/** `cat NAME` */
export async function cat(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  for (const piece of readStream(repository, setting.given.operand(0))) await setting.write(piece);
}

/** `images` */
export async function images(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const rows = repository.refs
    .list('images')
    .flatMap(({ name, id }) => (id === undefined ? [] : [{ name, digest: id }]));
  const digits = setting.given.has('no-trunc') ? undefined : ID_DIGITS;
  const cells = rows.map(({ name, digest }) => [name, digest.slice(0, digits)]);
  return await printListing(setting, { documents: rows, header: ['NAME', 'DIGEST'], cells });
}

/** `image-objects NAME` */
export async function imageObjects(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const name = imageName(repository, setting.given.operand(0));
  const { algorithm } = repository;
  await setting.print(...listImageObjects(repository, name).map((id) => `${algorithm}:${id}`));
}

/** `dump-files IMAGE FILES…` */
export async function dumpFiles(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [name = '', ...paths] = setting.given.operands;
  const files = openImageFiles(repository, imageName(repository, name));
  const isPathOnly = setting.given.has('backing-path-only');
  const pieces: Uint8Array[] = [];
  // A path that is wrong must leave nothing printed.
  for (const path of paths) {
    if (isPathOnly)
      pieces.push(Buffer.from(`${path} ${payloadOfImageFile(files, path) ?? 'inline'}\n`));
    else pieces.push(...dumpImageFile(files, path));
  }
  for (const piece of pieces) await setting.write(piece);
}

/**
 * An image is named by its id, by `refs/NAME`, or by a name without a slash. Source: composefs-rs 0.9.4, recorded in cli/trees.
 * @throws NotFoundError IMAGE_NOT_FOUND
 */
export function imageName(repository: Repository, text: string): string {
  if (text.startsWith('refs/') || !text.includes('/')) return repository.images.resolve(text);
  throw new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot open image "${text}": the repository has none of this name`,
    { name: text },
    { hint: `A name with a slash is spelled refs/${text}` },
  );
}
