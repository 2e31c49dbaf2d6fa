import { type ContentDigest, isContentDigest } from '#base/digest';
import { FormatError } from '#base/errors';
import { PAYLOAD_TYPE } from './layout.ts';
import { decodeText } from './policy.ts';
import { StrictField } from './strict-field.ts';
import { parseStrictJson } from './strict-json.ts';

/** The claim of a signature: this manifest is that image. */
export interface SignedPayload {
  readonly manifestDigest: ContentDigest;
  /** Untrusted text: it may not be a valid reference. */
  readonly dockerReference: string;
}

/**
 * Parses the payload of a signature. Call it only after the signature was verified over exactly these bytes.
 * Source: containers-signature(5), "JSON processing"; each refusal was recorded with skopeo 1.22.
 * @throws FormatError SIGNATURE_PAYLOAD_INVALID
 */
export function parsePayload(bytes: Uint8Array): SignedPayload {
  const fail = (offset: number, what: string, expected: string, found: string): never => {
    throw new FormatError(
      'SIGNATURE_PAYLOAD_INVALID',
      `Cannot read payload of signature${what === '' ? '' : ` at ${what}`}: expected ${expected}, found ${found}`,
      { offset, what: what === '' ? 'payload' : what, expected, found },
    );
  };
  const text = decodeText(bytes) ?? fail(0, '', 'UTF-8', 'other bytes');
  const value = parseStrictJson(text, (offset, expected, found) =>
    fail(offset, '', expected, found),
  );
  const root = new StrictField(value, '', (path, expected, found) =>
    fail(0, path, expected, found),
  );
  const members = root.object(['critical', 'optional']);
  readOptional(members('optional'));
  const critical = members('critical').object(['identity', 'image', 'type']);
  const type = critical('type').string();
  if (type !== PAYLOAD_TYPE) critical('type').fail(`"${PAYLOAD_TYPE}"`, JSON.stringify(type));
  const image = critical('image').object(['docker-manifest-digest']);
  const identity = critical('identity').object(['docker-reference']);
  const digest = image('docker-manifest-digest').string();
  if (!isContentDigest(digest)) {
    return image('docker-manifest-digest').fail('a digest', JSON.stringify(digest));
  }
  return { manifestDigest: digest, dockerReference: identity('docker-reference').string() };
}

/** Any keys are allowed, except that two have fixed types. */
function readOptional(field: StrictField): void {
  if (field.value === null) return;
  for (const [key, member] of field.entries()) {
    if (key === 'creator') member.string();
    if (key === 'timestamp' && !isSeconds(member.value)) {
      member.fail('a whole number', member.describe());
    }
  }
}

function isSeconds(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 63;
}
