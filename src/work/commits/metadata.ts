import type { VariantDict } from '#formats/gvariant';
import { formatMetadataValue } from '#formats/ostree';

/** Metadata as `key=value` lines in stored order, as `cfsctl ostree inspect --metadata` prints it. Source: OSTree spec 4.5. */
export function formatMetadata(metadata: VariantDict): string[] {
  return metadata.map(([key, value]) => `${key}=${formatMetadataValue(value)}`);
}
