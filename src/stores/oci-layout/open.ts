import { UnsupportedError } from '#base/errors';
import type { LocalReference } from '#formats/oci';
import { openArchive, type SpoolOptions } from './archive.ts';
import { ArchiveTarget } from './archive-target.ts';
import { DirSource } from './dir-source.ts';
import { DirTarget } from './dir-target.ts';
import { DockerSource } from './docker-source.ts';
import { DirectoryFiles, type FileSet } from './files.ts';
import { OciSource } from './oci-source.ts';
import { OciTarget } from './oci-target.ts';
import type { ImageSource } from './source.ts';
import type { ImageTarget } from './target.ts';

/**
 * Opens a local image. Compressed archives are decompressed once into an unnamed temporary file.
 * @throws NotFoundError IMAGE_SOURCE_NOT_FOUND; FormatError OCI_LAYOUT_INVALID, OCI_DOCUMENT_INVALID, ARCHIVE_INVALID,
 * ARCHIVE_TOO_LARGE; UnsupportedError COMPRESSION_UNSUPPORTED, OCI_LAYOUT_VERSION_UNKNOWN
 */
export async function openImageSource(
  reference: LocalReference,
  options: SpoolOptions = {},
): Promise<ImageSource> {
  const isDirectory = reference.transport === 'oci' || reference.transport === 'dir';
  const files = isDirectory
    ? new DirectoryFiles(reference.path)
    : await openArchive(reference.path, options);
  try {
    return sourceOver(files, reference);
  } catch (error) {
    files[Symbol.dispose]();
    throw error;
  }
}

function sourceOver(files: FileSet, reference: LocalReference): ImageSource {
  if (reference.transport === 'dir') return new DirSource(files);
  if (reference.transport === 'docker-archive') return new DockerSource(files, reference);
  return new OciSource(files, reference);
}

/**
 * Opens a layout or archive for writing, and creates it if it is missing. `commit` takes the tag.
 * @throws ConflictError TARGET_NOT_EMPTY; UnsupportedError TARGET_UNSUPPORTED for `docker-archive:`, OCI_LAYOUT_VERSION_UNKNOWN
 */
export function openImageTarget(reference: LocalReference): ImageTarget {
  switch (reference.transport) {
    case 'oci':
      return new OciTarget(reference.path);
    case 'dir':
      return new DirTarget(reference.path);
    case 'oci-archive':
      return new ArchiveTarget(reference.path);
    default:
      throw new UnsupportedError(
        'TARGET_UNSUPPORTED',
        `Cannot write "${reference.path}": expected oci:, oci-archive: or dir:, found ${reference.transport}:`,
        { transport: reference.transport },
        { hint: 'Use oci-archive:, which Docker reads, too' },
      );
  }
}
