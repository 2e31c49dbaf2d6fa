import { editMeta } from './paths.ts';

/** Asks for images in a format that does not exist. */
export function unknownErofsFormat(repository: string): void {
  editMeta(repository, (meta) => {
    meta.erofs_formats = { default: 7 };
  });
}
