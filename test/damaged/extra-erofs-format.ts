import { editMeta } from './paths.ts';

/** No damage: a repository that makes images in two formats. */
export function extraErofsFormat(repository: string): void {
  editMeta(repository, (meta) => {
    meta.erofs_formats = { default: 1, extra: [2] };
  });
}
