import { editMeta } from './paths.ts';

/** Demands a feature that nobody knows. */
export function unknownIncompatibleFeature(repository: string): void {
  editMeta(repository, (meta) => {
    meta.features.incompatible.push('zz');
  });
}
