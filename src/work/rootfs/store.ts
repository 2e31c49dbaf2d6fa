import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { checkImage } from '#formats/erofs';
import type { XattrMode } from '#formats/tree';
import { IMAGE_BYTES_MAX, type Repository } from '#stores/composefs';
import { encodeImages, imageSlot } from '#work/image';
import { readRootfs } from './read.ts';

/** How a directory is stored. */
export interface StoreRootfsOptions {
  /** As in `RootfsOptions`. */
  readonly canonical: boolean;
  readonly xattrs?: XattrMode | undefined;
  readonly bootable?: boolean | undefined;
  /** Name below `images/refs` to give the image. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Stores a directory of the host: every file as an object, shared by reflink where the filesystem can, and an image of its tree in every
 * version of the repository.
 * @returns the image in the default version
 * @throws as `readRootfs`; HostError SYSCALL_FAILED, NO_SPACE; UnsupportedError REPO_READ_ONLY; FormatError REF_NAME_INVALID
 */
export async function storeRootfs(
  repository: Repository,
  path: string,
  options: StoreRootfsOptions,
): Promise<ObjectId> {
  repository.ensureWritable();
  const { algorithm, formats, objects } = repository;
  const { canonical, bootable, xattrs, name, signal } = options;
  const tree = await readRootfs(path, {
    algorithm,
    canonical,
    bootable,
    xattrs,
    storeObject: (file, sizeBytes) => objects.importFile(file, sizeBytes).id,
  });
  const images = await encodeImages(repository, tree, { signal });
  const id = images.get(imageSlot(formats.default));
  if (id === undefined) throw new RangeError('No image of the default version');
  if (name !== undefined) repository.refs.set('images', name, id);
  return id;
}

/**
 * Stores an image that was made elsewhere under a name, once it has been checked. It is held in memory.
 * @throws FormatError EROFS_INVALID for what is no image, EROFS_TOO_LARGE above IMAGE_BYTES_MAX; as `storeRootfs`
 */
export async function storeImage(
  repository: Repository,
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): Promise<ObjectId> {
  repository.ensureWritable();
  const bytes = await readImage(pieces);
  const [finding] = checkImage(bytes);
  if (finding !== undefined) {
    throw new FormatError(
      'EROFS_INVALID',
      `Cannot import the image: "${finding.path}": ${finding.message}`,
      { offset: 0, what: finding.path },
    );
  }
  return repository.images.publish(bytes, { ref: name });
}

async function readImage(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const whole: Uint8Array[] = [];
  let found = 0;
  for await (const piece of pieces) {
    found += piece.length;
    if (found > IMAGE_BYTES_MAX) {
      throw new FormatError(
        'EROFS_TOO_LARGE',
        `Cannot import the image: expected at most ${IMAGE_BYTES_MAX} bytes, found more`,
        { offset: IMAGE_BYTES_MAX, what: 'image' },
      );
    }
    whole.push(piece);
  }
  return Buffer.concat(whole);
}
