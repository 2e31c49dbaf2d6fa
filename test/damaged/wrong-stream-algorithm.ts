import { flipByte, objectOfStream } from './paths.ts';

/** Flips byte 14 of the config's splitstream: the hash algorithm in its header. */
export function wrongStreamAlgorithm(repository: string): void {
  flipByte(objectOfStream(repository, 'oci-config-'), 14);
}
