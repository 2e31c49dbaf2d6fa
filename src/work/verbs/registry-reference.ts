import { UsageError } from '#base/errors';
import { parseReference } from '#work/export';

/** A reference to a registry. @throws UsageError for another transport; FormatError REFERENCE_INVALID */
export function parseRegistryReference(text: string) {
  const reference = parseReference(text);
  if (reference.transport === 'docker') return reference;
  throw new UsageError(`Cannot ask "${text}": expected docker://HOST/NAME, found no registry`);
}
