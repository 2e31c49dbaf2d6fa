import { UsageError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { parseReference } from '#formats/oci';
import type { ContentSource } from '#work/contents';
import { ContainersContents } from './containers.ts';
import { OstreeContents } from './ostree.ts';

/** An open store that offers contents. */
export interface ForeignContents extends ContentSource, Disposable {}

/**
 * Opens the store that a reference names: `containers-storage:`, with or without a store specifier, or `ostree-local:PATH`.
 * @throws UsageError for another transport; as `openContainersStore`, `openOstreeRepo`
 */
export async function openForeignContents(
  text: string,
  options: Pick<OperationOptions, 'signal'> = {},
): Promise<ForeignContents> {
  // The reference names a store, not an image in it.
  const isStore = /^containers-storage:(?:\[[^\]]*\])?$/.test(text);
  const reference = parseReference(isStore ? `${text}any` : text);
  if (reference.transport === 'containers-storage') {
    return await ContainersContents.open(reference, options);
  }
  if (reference.transport === 'ostree-local') return OstreeContents.open(reference.location);
  throw new UsageError(
    `Cannot reuse files of "${text}": expected containers-storage: or ostree-local:PATH, found "${reference.transport}:"`,
  );
}
