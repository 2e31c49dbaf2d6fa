import { flipByte, objectOfSize } from './paths.ts';

/** Flips the first byte of a file object, the one of 300 bytes. */
export function flippedFileObject(repository: string): void {
  flipByte(objectOfSize(repository, 300), 0);
}
