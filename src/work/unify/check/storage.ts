import { algorithmOf, type ContentDigest, computeContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type ContainersStore, diffFolder, type ImageRow, type LayerRow } from '#stores/containers';
import type { OciImage } from '#work/image';
import { imageRow, type SystemImage } from '../survey.ts';
import type { Findings } from './findings.ts';

/**
 * Checks an image in containers-storage: it exists under the digest of its config, has its original manifest, and has all layers of the config.
 * @returns its layers, base first, if none is missing
 */
export function checkStorage(
  storage: ContainersStore | undefined,
  image: SystemImage,
  stored: OciImage | undefined,
  findings: Findings,
): readonly LayerRow[] | undefined {
  const { configDigest } = image;
  const row = configDigest === undefined ? undefined : imageRow(storage, configDigest);
  if (storage === undefined || row === undefined) {
    findings.add('storage-missing', 'in composefs but not in containers-storage');
    return undefined;
  }
  try {
    const chain = storage.chainOf(row);
    requireDocuments(storage, row, image, findings);
    for (const layer of chain) requireFiles(layer, findings);
    compareLayers(chain, stored, findings);
    return findings.has('storage-damaged') ? undefined : chain;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    findings.add('storage-damaged', error.message);
    return undefined;
  }
}

function requireDocuments(
  storage: ContainersStore,
  row: ImageRow,
  { manifestDigest, configDigest }: SystemImage,
  findings: Findings,
): void {
  const hasManifest = row.record.bigDataNames.some((key) => {
    if (!key.startsWith('manifest')) return false;
    const bytes = storage.tryReadBigData(row, key);
    return bytes !== undefined && digestLike(bytes, manifestDigest) === manifestDigest;
  });
  if (!hasManifest) {
    findings.add(
      'storage-differs',
      `expected manifest ${manifestDigest}, found ${row.record.digest}`,
    );
  }
  if (configDigest === undefined) return;
  const config = storage.tryReadBigData(row, configDigest);
  const found = config === undefined ? 'none' : digestLike(config, configDigest);
  if (found !== configDigest) {
    findings.add('storage-damaged', `expected config ${configDigest}, found ${found}`);
  }
}

function digestLike(bytes: Uint8Array, digest: ContentDigest): ContentDigest {
  return computeContentDigest(bytes, algorithmOf(digest));
}

function requireFiles({ record, root }: LayerRow, findings: Findings): void {
  if (root.dir.stat(diffFolder(root.driver, record.id))?.type === 'directory') return;
  findings.add('storage-damaged', `layer ${record.id} has a record, but no files`);
}

function compareLayers(
  chain: readonly LayerRow[],
  stored: OciImage | undefined,
  findings: Findings,
): void {
  const expected = stored?.config?.diffIds;
  if (expected === undefined) return;
  const found = chain.map(({ record }) => record.diffId);
  if (found.length === expected.length && found.every((one, at) => one === expected[at])) return;
  findings.add(
    'storage-differs',
    `expected layers ${expected.join(', ')}, found ${found.join(', ')}`,
  );
}
