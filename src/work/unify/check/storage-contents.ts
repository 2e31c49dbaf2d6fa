import { createHasherLike } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { turnTaker } from '#base/flow';
import { readPieces } from '#host';
import {
  type LayerFiles,
  type LayerRow,
  openLayerFiles,
  type StorageRoot,
} from '#stores/containers';
import type { StoreCheckOptions } from './composefs.ts';
import type { Findings } from './findings.ts';

/**
 * Reads the files of layers in containers-storage, and compares the tar that they make with the diff id of each layer.
 * @throws HostError; the reason of `signal`
 */
export async function checkStorageContents(
  chain: readonly LayerRow[],
  roots: readonly StorageRoot[],
  findings: Findings,
  options: StoreCheckOptions,
): Promise<void> {
  for (const row of chain) {
    const { diffId, id } = row.record;
    if (diffId === undefined) continue;
    try {
      using layer = openLayerFiles(row, roots);
      const found = await diffIdOf(layer, diffId, options);
      if (found === diffId) continue;
      findings.add(
        'storage-contents-damaged',
        `layer ${id}: expected diff id ${diffId}, found ${found}`,
      );
    } catch (error) {
      // Podman removed the layer meanwhile.
      if (hasCode(error, 'STORE_LAYER_GONE')) continue;
      if (!isOnecopyError(error) || error.kind === 'host') throw error;
      findings.add('storage-contents-damaged', `layer ${id}: ${error.message}`);
    }
  }
}

async function diffIdOf(
  layer: LayerFiles,
  expected: NonNullable<LayerFiles['diffId']>,
  options: StoreCheckOptions,
): Promise<string> {
  const hasher = createHasherLike(expected);
  const takeTurn = turnTaker(options);
  for await (const parts of layer.parts()) {
    for (const part of parts) {
      await takeTurn();
      if (part.kind !== 'file') {
        hasher.update(part.bytes);
        continue;
      }
      using file = layer.open(part);
      for (const piece of readPieces(file)) {
        hasher.update(piece);
        await takeTurn();
      }
    }
  }
  return hasher.finish();
}
