import { editMeta } from './paths.ts';

/** Says SHA-512 in the meta.json of a SHA-256 repository. */
export function wrongMetaAlgorithm(repository: string): void {
  editMeta(repository, (meta) => {
    meta.algorithm = 'fsverity-sha512-12';
  });
}
