import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { encodeDumpfile, Tree, XATTR_MODES, type XattrMode } from '#formats/tree';
import type { ErofsVersion, Repository } from '#stores/composefs';
import { identifyTree, publishTree } from '#work/encode';
import {
  bootSlot,
  buildTree,
  type ImageIds,
  type OciImage,
  openOciImage,
  relinkImage,
} from '#work/image';
import type { BootEntry } from './resources.ts';
import { transformForBoot } from './transform.ts';

/** The bootable tree of a stored image, and what could be booted of it. */
export interface BootTree {
  readonly tree: Tree;
  readonly entries: readonly BootEntry[];
  /** The tree before it was emptied, which has the contents of the entries. */
  readonly content: Tree;
}

/** Builds the bootable tree of a stored image; nothing is stored. @throws as `buildTree`, `transformForBoot` */
export async function buildBootTree(
  repository: Repository,
  image: OciImage,
  xattrs: XattrMode = 'allowlist-only',
): Promise<BootTree> {
  const tree = await buildTree(repository, image, { xattrs, reading: 'cfsctl' });
  // Compacting the tree renumbers its leaves, and the entries keep the old numbers.
  const content = new Tree();
  content.leaves = tree.leaves.clone();
  return { tree, content, entries: await transformForBoot(tree, repository.objects) };
}

/** The id of the bootable image; nothing is stored. @throws as `buildBootTree` */
export async function computeBootImageId(
  repository: Repository,
  image: OciImage,
  { xattrs, version }: { xattrs: XattrMode; version?: ErofsVersion | undefined },
): Promise<ObjectId> {
  const { tree } = await buildBootTree(repository, image, xattrs);
  return await identifyTree(repository, tree, version ?? repository.formats.default);
}

/** The dumpfile of the bootable tree. @throws as `buildBootTree` */
export async function dumpBootImage(
  repository: Repository,
  image: OciImage,
  xattrs: XattrMode,
): Promise<Uint8Array> {
  return encodeDumpfile((await buildBootTree(repository, image, xattrs)).tree);
}

/**
 * Makes the bootable images of a stored image in every configured version, unless the one of the default version is linked already. The
 * caller links them from the config.
 * @returns the images by their slots
 * @throws as `buildBootTree`; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function buildBootImages(
  repository: Repository,
  name: string,
  xattrs: XattrMode = 'allowlist-only',
): Promise<ImageIds> {
  const image = openOciImage(repository, name);
  const slot = bootSlot(repository.formats.default, xattrs);
  const present = image.images.get(slot);
  if (present !== undefined && repository.images.has(present)) return new Map([[slot, present]]);
  const { tree } = await buildBootTree(repository, image, xattrs);
  const images = new Map<string, ObjectId>();
  for (const version of repository.versions) {
    images.set(bootSlot(version, xattrs), await publishTree(repository, tree, version));
  }
  return images;
}

/** The way of making a bootable image that gave an expected id. */
export interface MatchedBootImage {
  readonly id: ObjectId;
  readonly xattrs: XattrMode;
  readonly version: 1 | 2;
}

/**
 * Finds the way of making the bootable image that gives an expected id, makes that image and links it.
 * @throws NotFoundError BOOT_IMAGE_NOT_MATCHED; as `buildBootTree`
 */
export async function matchBootImage(
  repository: Repository,
  name: string,
  expected: ObjectId,
): Promise<MatchedBootImage> {
  const image = openOciImage(repository, name);
  let tried = 0;
  for (const xattrs of XATTR_MODES) {
    const versions = ([1, 2] as const).map((version) => {
      return { version, known: image.images.get(bootSlot(version, xattrs)) };
    });
    const found = versions.find(({ known }) => known === expected);
    if (found !== undefined) return { id: expected, xattrs, version: found.version };
    tried += versions.filter(({ known }) => known !== undefined).length;
    const unknown = versions.filter(({ known }) => known === undefined);
    if (unknown.length === 0) continue;
    const { tree } = await buildBootTree(repository, image, xattrs);
    for (const { version } of unknown) {
      tried += 1;
      const id = await identifyTree(repository, tree, version);
      if (id !== expected) continue;
      await publishTree(repository, tree, version);
      const images = new Map([...image.images, [bootSlot(version, xattrs), id] as const]);
      await relinkImage(repository, image, images);
      return { id, xattrs, version };
    }
  }
  throw new NotFoundError(
    'BOOT_IMAGE_NOT_MATCHED',
    `Cannot find a bootable image with the id ${expected}: tried ${tried} ways of making it`,
    { expected, tried },
  );
}
