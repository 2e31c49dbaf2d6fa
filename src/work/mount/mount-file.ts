import type { ObjectId } from '#base/digest';
import { attachMountOver, Dir, openFileAt, verifyVerity } from '#host';
import { type LayerOptions, mountLayers } from './layers.ts';

/** How to mount an image file outside a repository. */
export interface MountFileOptions extends Omit<LayerOptions, 'source' | 'objects' | 'idMap'> {
  /** Directories of objects, at least one, searched in order. */
  readonly objects: readonly string[];
  /** The kernel must protect the image with fs-verity of SHA-256 and this digest. */
  readonly digest?: ObjectId | undefined;
  /** File of the user namespace whose id mapping applies to the owners in the image, for example /proc/1/ns/user. */
  readonly idMap?: string | undefined;
}

/** The source of such mounts in the mount table. Source: C mount.composefs 1.0.8, recorded. */
const SOURCE = 'composefs';

/**
 * Mounts an image file over a directory; hides an earlier mount there. Nothing is attached when a step fails. Needs CAP_SYS_ADMIN.
 * @throws IntegrityError OBJECT_DIGEST_MISMATCH, VERITY_NOT_ENABLED; UnsupportedError FSVERITY_UNSUPPORTED; HostError SYSCALL_FAILED
 */
export function mountImageFile(path: string, target: string, options: MountFileOptions): void {
  using stack = new DisposableStack();
  const image = stack.use(openFileAt(path));
  if (options.digest !== undefined) verifyVerity(image, options.digest, 'sha256');
  const objects = options.objects.map((directory) => stack.use(Dir.open(directory)));
  const idMap = options.idMap === undefined ? undefined : stack.use(openFileAt(options.idMap));
  const merged = stack.use(mountLayers(image, { ...options, source: SOURCE, objects, idMap }));
  attachMountOver(merged, stack.use(Dir.open(target)));
}
