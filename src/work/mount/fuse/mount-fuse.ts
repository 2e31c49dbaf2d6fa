import { displayText } from '#base/bytes';
import type { OperationOptions } from '#base/flow';
import { Dir, OPEN, reopen, resolvedPathOf, startBackground } from '#host';
import type { OpenImage, Repository } from '#stores/composefs';
import {
  explainMount,
  type MountOptions,
  type MountReport,
  requireFree,
  requireUpper,
} from '../mount.ts';
import { sourceOf } from '../source.ts';
import type { ServerData } from './fuse-server.ts';
import { type FuseSession, type SessionOptions, startSession } from './session.ts';

/** The process that serves a mount. */
export const SERVER = new URL('./fuse-server.ts', import.meta.url);

/** How to mount by FUSE. */
export interface FuseMountOptions extends MountOptions, Pick<OperationOptions, 'signal'> {}

/**
 * Mounts an image by a FUSE server in a background process, which ends when the image is unmounted. This does not need root if `fusermount3` is
 * installed. The digest of the image is verified first. A server that cannot start is an error.
 * @param image image id, or a name below `images/refs`
 * @throws NotFoundError IMAGE_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH; UnsupportedError MOUNT_UNSUPPORTED; ConflictError MOUNT_EXISTS;
 * the signal's reason
 */
export async function mountByFuse(
  repository: Repository,
  image: string,
  target: string,
  options: FuseMountOptions = {},
): Promise<MountReport> {
  using opened = repository.images.open(image);
  using objects = repository.root.openDir('objects');
  const data: ServerData = { target: freePlace(target), ...sessionOf(opened, options) };
  requireUpper(options.writable);
  const files = [opened.object, objects];
  try {
    const serverPid = await startBackground(SERVER, data, { files, signal: options.signal });
    const readOnly = options.writable === undefined;
    return { imageId: opened.id, target, verity: data.verity, readOnly, serverPid };
  } catch (error) {
    throw explainMount(error, image);
  }
}

/** As `mountByFuse`, but this process serves the image until it is unmounted. */
export async function serveByFuse(
  repository: Repository,
  image: string,
  target: string,
  options: MountOptions = {},
): Promise<FuseSession> {
  using opened = repository.images.open(image);
  const place = freePlace(target);
  try {
    return await startSession(place, {
      image: reopen(opened.object, OPEN.read),
      objects: [repository.root.openDir('objects')],
      ...sessionOf(opened, options),
    });
  } catch (error) {
    throw explainMount(error, image);
  }
}

function sessionOf(
  { id, wantVerity }: OpenImage,
  { label, writable }: MountOptions,
): Omit<SessionOptions, 'image' | 'objects'> {
  return {
    verity: wantVerity,
    source: sourceOf(id, label),
    subtype: 'composefs',
    allowOther: process.geteuid?.() === 0,
    hidesAccessLists: false,
    writable,
  };
}

/** Returns the absolute path of the mount point. @throws HostError SYSCALL_FAILED when it is no directory; ConflictError MOUNT_EXISTS */
function freePlace(target: string): string {
  using directory = Dir.open(target);
  requireFree(directory, target);
  return displayText(resolvedPathOf(directory));
}
