import type { ByteString } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import { type Dir, getXattr, hasErrno } from '#host';
import type { LayerRow } from './snapshot.ts';

/** Marks of a file whose content is in a lower layer. Source: Linux, overlayfs, metadata only copy up. */
const MARKS = ['trusted.overlay.metacopy', 'user.overlay.metacopy'] as const;
/** Deepest directory; that of a path of 4096 bytes. */
const DEPTH_MAX = 2048;

/** The first file below a directory whose content is in a lower layer; undefined if there is none. */
export function findMetacopy(dir: Dir, path = '', depth = 0): string | undefined {
  const below: string[] = [];
  for (const { name, type } of dir.readEntries()) {
    if (type === 'directory') below.push(name);
    else if (type === 'file' && isMetacopy(dir, name)) return `${path}${name}`;
  }
  for (const name of depth === DEPTH_MAX ? [] : below) {
    using child = dir.tryOpenDir(name, { noFollow: true });
    const found =
      child === undefined ? undefined : findMetacopy(child, `${path}${name}/`, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isMetacopy(dir: Dir, name: ByteString): boolean {
  return MARKS.some((mark) => {
    try {
      return getXattr({ dir, name }, mark) !== undefined;
    } catch (error) {
      // A filesystem without these attributes has no such files.
      if (hasErrno(error, 'EOPNOTSUPP') || hasErrno(error, 'EPERM')) return false;
      throw error;
    }
  });
}

/** The error for a layer with such a file. */
export function metacopyUnsupported(
  { record, root }: LayerRow,
  path: string,
  cause: unknown,
): UnsupportedError {
  return new UnsupportedError(
    'STORE_METACOPY_UNSUPPORTED',
    `Cannot read layer ${record.id} of "${root.dir.label}": the content of "${path}" is in a lower layer (overlay.metacopy)`,
    { layer: record.id, path },
    {
      cause,
      hint: 'The layer was written by overlayfs with metacopy=on: copy the image with skopeo copy, or remove metacopy from mountopt in storage.conf and pull it again',
    },
  );
}
