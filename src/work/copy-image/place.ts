import { type OnecopyError, UnsupportedError, UsageError } from '#base/errors';
import type { ImageReference } from '#formats/oci';

/** The error for a reference that names no place of images. */
export function noImagePlace(
  text: string,
  { transport }: Pick<ImageReference, 'transport'>,
  action: 'copy from' | 'copy to',
): OnecopyError {
  const expected = 'docker, oci, oci-archive, docker-archive or dir';
  if (transport === 'stored') {
    return new UsageError(
      `Cannot ${action} "${text}": expected ${expected} before a colon, found no transport`,
      action === 'copy from'
        ? `To copy an image of the repository, use export or push: onecopy export ${text} REFERENCE`
        : `To copy an image into the repository: onecopy pull REFERENCE ${text}`,
    );
  }
  return new UnsupportedError(
    'TRANSPORT_UNSUPPORTED',
    `Cannot ${action} "${text}": expected ${expected}, found ${transport}`,
    { transport },
  );
}
