import { FormatError } from '#base/errors';
import { MANIFEST_MAX_BYTES } from '#formats/oci';
import { Dir, OPEN, readAll, statFd } from '#host';

/** Largest number of files that are read. */
const SIGNATURE_FILES_MAX = 128;

/** A file with a signature of an image in a plain directory. */
export interface SignatureFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads the files `signature-1`, `signature-2`, … of a `dir:`, up to the first that is missing. Source: containers-transports(5), `dir:`.
 * @throws FormatError OCI_LAYOUT_INVALID for more than 128, or one that is not a regular file; HostError SYSCALL_FAILED (EFBIG beyond 4 MiB)
 */
export function readSignatureFiles(path: string): readonly SignatureFile[] {
  using directory = Dir.open(path);
  const files: SignatureFile[] = [];
  for (;;) {
    const name = `signature-${files.length + 1}`;
    // Non-blocking: a fifo in place of a signature must not block the reader.
    using file = directory.tryOpenFile(name, OPEN.read | OPEN.nonBlock);
    if (file === undefined) return files;
    const { type } = statFd(file);
    const isTooMany = files.length === SIGNATURE_FILES_MAX;
    if (type !== 'file' || isTooMany) {
      const expected = isTooMany ? `at most ${SIGNATURE_FILES_MAX} signatures` : 'a regular file';
      throw new FormatError(
        'OCI_LAYOUT_INVALID',
        `Cannot read "${name}" of "${path}": expected ${expected}, found ${isTooMany ? 'more' : type}`,
        { offset: 0, what: name },
      );
    }
    files.push({ name, bytes: readAll(file, MANIFEST_MAX_BYTES) });
  }
}
