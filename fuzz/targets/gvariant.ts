// Invariant: any bytes give a value that encodes to the same bytes, or a FormatError; what the dirtree reader accepts, the general parser accepts.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { encodeVariant, parseVariant, parseVariantType, type VariantType } from '#formats/gvariant';
import {
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  encodeSummary,
  encodeSummaryIndex,
  encodeZlibHeader,
  parseCommit,
  parseDirmeta,
  parseDirtree,
  parseSummary,
  parseSummaryIndex,
  parseZlibHeader,
} from '#formats/ostree';

/** Name of the target and of its folder of inputs. */
export const name = 'gvariant';

const TYPES = ['a{sv}', 'v', 'aas', '(ymsmmiaa{sv}()b)', 'a(ayay)', '(ss(xs)a(ny)o)'].map(
  parseVariantType,
);
const DIRTREE = parseVariantType('(a(say)a(sayay))');

/** Parses the bytes in general types and as every object of OSTree. */
export function run(bytes: Uint8Array): void {
  for (const type of TYPES) exact(bytes, (input) => roundTrip(input, type));
  exact(bytes, (input) => encodeCommit(parseCommit(input)));
  exact(bytes, (input) => encodeDirmeta(parseDirmeta(input, { acceptUnterminated: true })));
  exact(bytes, (input) => encodeZlibHeader(parseZlibHeader(input)));
  exact(bytes, (input) => encodeSummary(parseSummary(input)));
  exact(bytes, (input) => encodeSummaryIndex(parseSummaryIndex(input)));
  exact(bytes, (input) => {
    const encoded = encodeDirtree(parseDirtree(input));
    assert.deepEqual(roundTrip(input, DIRTREE), encoded);
    return encoded;
  });
}

function roundTrip(bytes: Uint8Array, type: VariantType): Uint8Array {
  const value = parseVariant(bytes, type);
  const encoded = encodeVariant(value, type);
  // The payload of a NaN has no place in a JavaScript number.
  return JSON.stringify(value, numbers).includes('NaN') ? bytes : encoded;
}

function numbers(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return Number.isNaN(value) ? 'NaN' : value;
}

function exact(bytes: Uint8Array, again: (bytes: Uint8Array) => Uint8Array): void {
  let encoded: Uint8Array;
  try {
    encoded = again(bytes);
  } catch (error) {
    if (error instanceof FormatError) return;
    throw error;
  }
  assert.ok(Buffer.from(bytes).equals(encoded), 'the same bytes');
}
