// Invariant: any text is a reference whose canonical text is read as the same reference, or one of our errors.
import assert from 'node:assert/strict';
import { isOnecopyError } from '#base/errors';
import { formatReference, type ImageReference, parseReference } from '#formats/oci';

/** Name of the target and of its folder of inputs. */
export const name = 'reference';

/** One reference of each transport. */
export function seeds(): readonly Uint8Array[] {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  return [
    'docker://reg.test:5000/ns/app_x:v1.0',
    `docker://alpine@${digest}`,
    'oci:/srv/app:v1',
    `oci:layout:@${digest}`,
    'oci-archive:a.tar:@3',
    'docker-archive:a.tar:reg.test:5000/app:v1',
    'dir:/srv/dir',
    'ostree:https://user@[::1]:8080/repo:os/stable',
    'ostree-local:/repo:os',
    'containers-storage:[overlay@/var/lib/x+/run/x]reg.test/app:1',
    'composefs:/repo:app',
    `@${digest}`,
    'app:v1',
  ].map((text) => Buffer.from(text));
}

/** Reads the text, writes it and reads it again. */
export function run(bytes: Uint8Array): void {
  let reference: ImageReference;
  try {
    reference = parseReference(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (isOnecopyError(error)) return;
    throw error;
  }
  const { transport } = reference;
  if (transport === 'docker') assert.match(reference.repository, /^[a-z0-9][a-z0-9/._-]*$/);
  assert.deepEqual(parseReference(formatReference(reference)), reference);
}
