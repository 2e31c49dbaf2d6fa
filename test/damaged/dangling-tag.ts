import { symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Points a tag at a manifest that the repository never had. */
export function danglingTag(repository: string): void {
  const target = `../../oci-manifest-sha256:${'0'.repeat(64)}`;
  symlinkSync(target, join(repository, 'streams/refs/oci/dangling'));
}
