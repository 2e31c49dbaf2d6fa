import { createGunzip } from 'node:zlib';
import { concatBytes, encodeHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { IntegrityError } from '#base/errors';
import { computeMetadataChecksum } from '#formats/ostree';

/** @throws IntegrityError with this code when the bytes do not hash to `expected` */
export function requireSum(
  code: 'OSTREE_SUMMARY_CHECKSUM_MISMATCH' | 'OSTREE_DELTA_CHECKSUM_MISMATCH',
  expected: OstreeChecksum,
  bytes: Uint8Array,
  what: string,
): void {
  const found = computeMetadataChecksum(bytes);
  if (found === expected) return;
  throw new IntegrityError(
    code,
    `Cannot accept ${what}: expected checksum ${expected}, found ${found}`,
    { expected, found, what },
  );
}

/**
 * Inflates a subsummary.
 * @throws IntegrityError OSTREE_SUMMARY_CHECKSUM_MISMATCH for bytes that are no gzip or inflate beyond `limitBytes`
 */
export async function gunzip(bytes: Uint8Array, limitBytes: number): Promise<Uint8Array> {
  const inflate = createGunzip({ chunkSize: 262_144 });
  inflate.end(bytes);
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of inflate as AsyncIterable<Uint8Array>) {
      length += piece.length;
      if (length > limitBytes) break;
      pieces.push(piece);
    }
  } catch (cause) {
    throw subsummaryError('a gzip file', encodeHex(bytes.subarray(0, 16)), cause);
  }
  if (length > limitBytes) throw subsummaryError(`at most ${limitBytes} bytes`, `${length} bytes`);
  return concatBytes(pieces);
}

function subsummaryError(expected: string, found: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    'OSTREE_SUMMARY_CHECKSUM_MISMATCH',
    `Cannot accept subsummary: expected ${expected}, found ${found}`,
    { expected, found, what: 'subsummary' },
    cause === undefined ? {} : { cause },
  );
}
