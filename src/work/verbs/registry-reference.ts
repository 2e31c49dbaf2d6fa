import { UsageError } from '#base/errors';
import { parseReference } from '#work/export';

/** A reference to a registry. @throws UsageError for another transport; FormatError REFERENCE_INVALID */
export function parseRegistryReference(text: string) {
  const reference = parseReference(text);
  if (reference.transport === 'docker') return reference;
  const hint = reference.transport === 'stored' ? `Write docker://${text}` : undefined;
  throw new UsageError(`Cannot use "${text}" here: expected docker://HOST/NAME`, hint);
}
