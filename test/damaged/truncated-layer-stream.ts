import { statSync, truncateSync } from 'node:fs';
import { objectOfStream } from './paths.ts';

/** Cuts ten bytes off the splitstream of the first layer by name: its tables stay whole, its body does not. */
export function truncatedLayerStream(repository: string): void {
  const path = objectOfStream(repository, 'oci-layer-');
  truncateSync(path, statSync(path).size - 10);
}
