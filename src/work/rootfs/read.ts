import type { ObjectId } from '#base/digest';
import { type ErofsVersion, encodeImage } from '#formats/erofs';
import type { VerityAlgorithm } from '#formats/fsverity';
import { encodeDumpfile, type Tree, transformForOci, type XattrMode } from '#formats/tree';
import { Dir, type HostFile, hashContent } from '#host';
import { transformForBoot } from '#work/boot';
import { hashFile, scanDirectory } from '#work/compose';
import { contentsOfDirectory } from './contents.ts';

/** How a directory becomes the tree of an image. */
export interface RootfsOptions {
  readonly algorithm: VerityAlgorithm;
  /**
   * Make the tree as that of an OCI image: root metadata from `/usr`, an empty `/run`, and few xattrs. Without it the directory is taken as
   * it is.
   */
  readonly canonical: boolean;
  readonly xattrs?: XattrMode | undefined;
  /** Also empty `/boot` and `/sysroot` and label the files by the SELinux policy of the tree. */
  readonly bootable?: boolean | undefined;
  /** Called with every file that is not inline; returns the id of its object. Default: hash it. */
  readonly storeObject?: ((file: HostFile, sizeBytes: number) => ObjectId) | undefined;
}

/**
 * Reads a directory of the host as the root filesystem of an image; hard links are kept.
 * @throws HostError SYSCALL_FAILED; IntegrityError FILE_CHANGED; as `transformForOci`, `transformForBoot`
 */
export async function readRootfs(path: string, options: RootfsOptions): Promise<Tree> {
  const { algorithm, canonical, bootable, xattrs = 'allowlist-only', storeObject } = options;
  using root = Dir.open(path);
  const tree = scanDirectory(root, {
    xattrs: 'all',
    skipDevices: false,
    useEpoch: false,
    trackHardlinks: true,
    storeObject: storeObject ?? ((file, sizeBytes) => hashFile(file, sizeBytes, algorithm)),
  });
  if (canonical) transformForOci(tree, { xattrs });
  if (bootable === true) await transformForBoot(tree, contentsOfDirectory(root, tree));
  return tree;
}

/** The image of a tree. */
export function encodeRootfs(
  tree: Tree,
  format: { readonly version: ErofsVersion; readonly algorithm: VerityAlgorithm },
): { readonly id: ObjectId; readonly bytes: Uint8Array } {
  const bytes = encodeImage(tree, format);
  return { id: hashContent(bytes, format.algorithm), bytes };
}

/** The dumpfile of a tree. */
export function dumpRootfs(tree: Tree): Uint8Array {
  return encodeDumpfile(tree);
}
