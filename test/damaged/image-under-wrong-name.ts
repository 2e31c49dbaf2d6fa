import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { objectOfImage } from './paths.ts';

/** Gives an image a second name that is not its id. */
export function imageUnderWrongName(repository: string): void {
  const images = join(repository, 'images');
  symlinkSync(relative(images, objectOfImage(repository)), join(images, '0'.repeat(64)));
}
