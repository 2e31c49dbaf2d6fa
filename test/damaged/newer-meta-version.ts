import { editMeta } from './paths.ts';

/** Says format version 2 in meta.json. */
export function newerMetaVersion(repository: string): void {
  editMeta(repository, (meta) => {
    meta.version = 2;
  });
}
