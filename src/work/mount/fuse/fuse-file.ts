import { displayText } from '#base/bytes';
import { openImage } from '#formats/erofs';
import {
  Dir,
  OPEN,
  openFileAt,
  readAt,
  reopen,
  resolvedPathOf,
  startBackground,
  statFd,
} from '#host';
import { SERVER } from './mount-fuse.ts';
import { startSession, unmountOnSignals } from './session.ts';

/** How to mount an image file by FUSE. */
export interface FuseFileOptions {
  /** Path of the image. */
  readonly image: string;
  /** Directory of the objects. */
  readonly objects: string;
  /** Hides access control lists. */
  readonly hidesAccessLists: boolean;
  readonly allowOther: boolean;
  /** Source in the mount table. */
  readonly sourceName: string;
  /** Suffix of the type in the mount table, after `fuse.`. */
  readonly subtype: string;
  /** Serve in this process until unmounted, instead of in the background. */
  readonly foreground: boolean;
}

/**
 * Mounts an image file over a directory by FUSE; hides an earlier mount there. The mount point, the image and the directory of objects are opened
 * first. In the foreground, the function returns when the image is unmounted.
 * @throws HostError SYSCALL_FAILED; FormatError EROFS_MAGIC_INVALID; UnsupportedError MOUNT_UNSUPPORTED
 */
export async function mountImageFileByFuse(
  target: string,
  options: FuseFileOptions,
): Promise<void> {
  using stack = new DisposableStack();
  const place = displayText(resolvedPathOf(stack.use(Dir.open(target))));
  const image = stack.use(openFileAt(options.image));
  const objects = stack.use(Dir.open(options.objects));
  const { sizeBytes } = statFd(image);
  openImage({ sizeBytes, read: (offset, into) => readAt(image, into, offset) });
  const { hidesAccessLists, allowOther, sourceName: source, subtype } = options;
  const how = { verity: false, source, subtype, allowOther, hidesAccessLists };
  if (!options.foreground) {
    await startBackground(SERVER, { target: place, ...how }, { files: [image, objects] });
    return;
  }
  const served = { image: reopen(image, OPEN.read), objects: [Dir.open(options.objects)] };
  const session = await startSession(place, { ...how, ...served });
  unmountOnSignals(session);
  await session.done;
}
