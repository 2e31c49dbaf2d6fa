import type { ContentDigest } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import { parseDocument } from './json.ts';
import {
  CONTAINERD_NAME_ANNOTATION,
  MANIFEST_MAX_BYTES,
  MEDIA_TYPES,
  REF_NAME_ANNOTATION,
} from './layout.ts';
import { parseManifest } from './manifest.ts';
import type { Platform } from './platform.ts';

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

/** A manifest to list in a layout. */
export interface LayoutEntry {
  readonly mediaType: string;
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly tag?: string | undefined;
  /** Set when the config does not state the platform: for artifacts. */
  readonly platform?: Platform | undefined;
  /** Set for a manifest that refers to another one, so that readers do not treat it as an image of the layout. */
  readonly artifactType?: string | undefined;
}

/** The rewritten part of an index; all other members stay unchanged. */
interface IndexDocument {
  manifests: IndexItem[];
}
interface IndexItem {
  readonly digest: string;
  readonly annotations?: { readonly [key: string]: string };
}

/**
 * The `index.json` of a layout with one more manifest. A tag moves to the new manifest; without a tag, a manifest that is already
 * listed is not listed again. Members that other tools wrote stay in the index.
 * @param existing bytes of the index so far; undefined for a new layout
 * @throws FormatError OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE when `existing` is not an index
 */
export function addToLayoutIndex(existing: Uint8Array | undefined, entry: LayoutEntry): Uint8Array {
  const document = existing === undefined ? newIndex() : existingIndex(existing);
  const { tag, digest } = entry;
  if (tag === undefined) {
    if (document.manifests.some((item) => item.digest === digest)) return encode(document);
  } else {
    document.manifests = document.manifests.filter(
      (item) => !isNamed(item, tag) && !(item.digest === digest && isUnnamed(item)),
    );
  }
  document.manifests.push(encodeEntry(entry));
  return encode(document);
}

function newIndex(): IndexDocument & { schemaVersion: number; mediaType: string } {
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] };
}

function existingIndex(bytes: Uint8Array): IndexDocument {
  const parsed = parseManifest(bytes, MEDIA_TYPES.ociIndex);
  const field = parseDocument(bytes, 'index.json', MANIFEST_MAX_BYTES);
  if (parsed.kind !== 'index') field.fail('an image index');
  const document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  return { ...document, manifests: document.manifests ?? [] };
}

function encodeEntry(entry: LayoutEntry): IndexItem {
  const { mediaType, digest, sizeBytes, tag, platform, artifactType } = entry;
  return {
    mediaType,
    digest,
    size: sizeBytes,
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(tag === undefined ? {} : { annotations: { [REF_NAME_ANNOTATION]: tag } }),
  } as IndexItem;
}

function isNamed(item: IndexItem, tag: string): boolean {
  return item.annotations?.[REF_NAME_ANNOTATION] === tag;
}

function isUnnamed(item: IndexItem): boolean {
  const { annotations } = item;
  return (
    annotations?.[REF_NAME_ANNOTATION] === undefined &&
    annotations?.[CONTAINERD_NAME_ANNOTATION] === undefined
  );
}

function encode(document: IndexDocument): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}
