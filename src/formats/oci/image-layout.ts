import { UnsupportedError } from '#base/errors';
import { parseDocument } from './json.ts';

/** Content of the file `oci-layout`. Source: image-spec image-layout.md, "oci-layout file". */
export const LAYOUT_MARKER = '{"imageLayoutVersion":"1.0.0"}';

const MARKER_MAX_BYTES = 4096;

/**
 * Checks the bytes of an `oci-layout` file: version 1 of any minor.
 * @throws FormatError OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE; UnsupportedError OCI_LAYOUT_VERSION_UNKNOWN
 */
export function verifyLayoutMarker(bytes: Uint8Array): void {
  const document = parseDocument(bytes, 'oci-layout', MARKER_MAX_BYTES);
  const version = document.get('imageLayoutVersion').string();
  if (/^1\.[0-9]+\.[0-9]+$/.test(version)) return;
  throw new UnsupportedError(
    'OCI_LAYOUT_VERSION_UNKNOWN',
    `Cannot read image layout: expected version 1, found "${version.slice(0, 100)}"`,
    { version: version.slice(0, 100) },
  );
}
