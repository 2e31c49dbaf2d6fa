import { flipByte, objectOfImage } from './paths.ts';

/** Flips byte 1024 of the image: the first byte of the EROFS magic. */
export function badImageMagic(repository: string): void {
  flipByte(objectOfImage(repository), 1024);
}
