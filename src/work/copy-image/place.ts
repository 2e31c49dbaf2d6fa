import { UnsupportedError } from '#base/errors';
import type { ImageReference } from '#formats/oci';

/** The error for a reference that names no place of images. */
export function noImagePlace(
  text: string,
  { transport }: Pick<ImageReference, 'transport'>,
  action: 'copy from' | 'copy to',
): UnsupportedError {
  const isStored = transport === 'stored';
  const hint = !isStored
    ? {}
    : action === 'copy from'
      ? { hint: `Run \`onecopy push ${text} REFERENCE\` for an image of the repository` }
      : { hint: `Run \`onecopy pull REFERENCE ${text}\` to bring an image into the repository` };
  return new UnsupportedError(
    'TRANSPORT_UNSUPPORTED',
    `Cannot ${action} "${text}": expected docker, oci, oci-archive, docker-archive or dir, found ${isStored ? 'no transport' : transport}`,
    { transport },
    hint,
  );
}
