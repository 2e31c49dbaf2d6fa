import { rmSync } from 'node:fs';
import { objectOfStream } from './paths.ts';

/** The splitstream of the first layer by name is gone: only the image still refers to its files. */
export function missingLayerObject(repository: string): void {
  rmSync(objectOfStream(repository, 'oci-layer-'));
}
