import { rmSync } from 'node:fs';
import { objectOfStream } from './paths.ts';

/** Removes the splitstream of the config, which alone names the layers and the image. */
export function missingConfigObject(repository: string): void {
  rmSync(objectOfStream(repository, 'oci-config-'));
}
