import type { OperationOptions } from '#base/flow';
import type { Repository } from '#stores/composefs';
import { type MountOptions, type MountReport, mountImage as mountImageById } from '#work/mount';
import { findNamed } from './named.ts';
import { ensureNamedImage } from './view.ts';

/**
 * Mounts an image or a commit of the repository over a directory, by the kernel: EROFS provides the tree, overlayfs reads the files' data from the
 * objects. Needs CAP_SYS_ADMIN. A missing EROFS image is built, and its digest is verified; nothing is attached when a step fails.
 * @param name a name of the repository, an id, or the unique beginning of an id
 * @throws NotFoundError IMAGE_NOT_FOUND; ConflictError NAME_AMBIGUOUS, MOUNT_EXISTS; IntegrityError OBJECT_DIGEST_MISMATCH; UnsupportedError
 * MOUNT_UNSUPPORTED
 */
export async function mountImage(
  repository: Repository,
  name: string,
  target: string,
  { signal, label = name, ...options }: MountOptions & Pick<OperationOptions, 'signal'> = {},
): Promise<MountReport> {
  const { imageId } = await ensureNamedImage(repository, findNamed(repository, name), { signal });
  return mountImageById(repository, imageId, target, { label, ...options });
}
