import { editMeta } from './paths.ts';

/** Names a feature and a key that nobody knows but that everybody may ignore. */
export function unknownCompatibleFeature(repository: string): void {
  editMeta(repository, (meta) => {
    meta.features.compatible.push('zz');
    meta['later'] = true;
  });
}
