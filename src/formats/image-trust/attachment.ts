import { decodeBase64 } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import { hexOf } from '#base/digest';
import { FormatError } from '#base/errors';
import { type Descriptor, type Manifest, MEDIA_TYPES, parseManifest } from '#formats/oci';
import { SIGNATURE_FILE_MAGIC, SIGNATURES_MAX, SIMPLE_SIGNING_TYPE } from './layout.ts';
import { decodeText } from './policy.ts';
import { StrictField } from './strict-field.ts';
import { parseStrictJson } from './strict-json.ts';

/** A signature attached to an image; not verified yet. */
export interface AttachedSignature {
  /** Its location, for messages: a tag with a layer, a referrer, a file. */
  readonly place: string;
  readonly by: 'tag' | 'referrer' | 'file';
  /** The exact bytes that are signed. */
  readonly payload: Uint8Array;
  readonly annotations: ReadonlyMap<string, string>;
}

/** The tag of cosign's signatures of a manifest, in its repository. Source: cosign, specs/SIGNATURE_SPEC.md. */
export function signatureTag(manifest: ContentDigest): string {
  return `${manifest.slice(0, manifest.indexOf(':'))}-${hexOf(manifest)}.sig`;
}

/**
 * Parses the manifest of a `.sig` tag or of a signature that is a referrer. Accepts OCI manifests only.
 * @throws FormatError SIGNATURE_FILE_INVALID, OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE; UnsupportedError MEDIA_TYPE_UNSUPPORTED
 */
export function parseSignatureManifest(bytes: Uint8Array, mediaType: string): Manifest {
  const manifest = parseManifest(bytes, mediaType);
  const isManifest = mediaType === MEDIA_TYPES.ociManifest;
  if (!isManifest || manifest.kind !== 'manifest' || manifest.mediaType !== mediaType) {
    throw invalid('signature manifest', MEDIA_TYPES.ociManifest, `"${mediaType.slice(0, 200)}"`);
  }
  if (manifest.layers.length > SIGNATURES_MAX) {
    const expected = `at most ${SIGNATURES_MAX} layers`;
    throw invalid('signature manifest', expected, `${manifest.layers.length}`);
  }
  return manifest;
}

/** True for a layer that is a payload; other layers are attestations and the like. */
export function isSimpleSigning(layer: Pick<Descriptor, 'mediaType'>): boolean {
  return layer.mediaType === SIMPLE_SIGNING_TYPE;
}

/**
 * Parses a `signature-N` file of `dir:`; undefined for GPG messages and other kinds, which satisfy no requirement here.
 * Source: container-libs, image/internal/signature/sigstore.go.
 * @throws FormatError SIGNATURE_FILE_INVALID
 */
export function parseSignatureFile(
  place: string,
  bytes: Uint8Array,
): AttachedSignature | undefined {
  const head = Buffer.from(bytes.subarray(0, SIGNATURE_FILE_MAGIC.length)).toString('latin1');
  if (head !== SIGNATURE_FILE_MAGIC) return undefined;
  const fail = (_: number, expected: string, found: string): never => {
    throw invalid(place, expected, found);
  };
  const text = decodeText(bytes.subarray(head.length)) ?? fail(0, 'UTF-8', 'other bytes');
  const root = new StrictField(parseStrictJson(text, fail), '', (path, expected, found) =>
    fail(0, `${expected} in ${path}`, found),
  );
  const members = root.object(['mimeType', 'payload', 'annotations']);
  const payload = decodeBase64(members('payload').string());
  const annotations = members('annotations');
  const isEmpty = annotations.isAbsent || annotations.value === null;
  const pairs = isEmpty ? [] : annotations.entries();
  const read = pairs.map(([key, value]) => [key, value.string()] as const);
  if (members('mimeType').string() !== SIMPLE_SIGNING_TYPE) return undefined;
  return {
    place,
    by: 'file',
    payload: payload ?? members('payload').fail('base64', 'another text'),
    annotations: new Map(read),
  };
}

function invalid(what: string, expected: string, found: string): FormatError {
  return new FormatError(
    'SIGNATURE_FILE_INVALID',
    `Cannot read signatures of "${what}": expected ${expected}, found ${found}`,
    { offset: 0, what, expected, found },
  );
}
