import { rmSync } from 'node:fs';
import { objectOfStream } from './paths.ts';

/** Removes the splitstream of the manifest that the tag points at; the JSON stays. */
export function missingManifestObject(repository: string): void {
  rmSync(objectOfStream(repository, 'oci-manifest-'));
}
