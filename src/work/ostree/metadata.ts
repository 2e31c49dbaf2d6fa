import { encodeHex } from '#base/bytes';
import type { JsonValue } from '#base/errors';
import {
  arrayOf,
  BOOLEAN,
  BYTES,
  encodeVariant,
  type Just,
  STRING,
  UINT32,
  UINT64,
  type Variant,
  type VariantDict,
  type VariantType,
} from '#formats/gvariant';

const STRINGS = arrayOf(STRING);

/**
 * Metadata as `key=value` lines in stored order: s as it is, b as true or false, u and t in decimal, as in brackets, ay in hex,
 * anything else as `<TYPE:HEX>` of the serialised value. Source: OSTree spec 4.5, as the real tool prints it.
 */
export function formatMetadata(metadata: VariantDict): string[] {
  return metadata.map(([key, value]) => `${key}=${formatValue(value)}`);
}

function formatValue(variant: Variant): string {
  const { type, value } = variant;
  switch (type.signature) {
    case STRING.signature:
      return value as string;
    case BOOLEAN.signature:
    case UINT32.signature:
    case UINT64.signature:
      return String(value);
    case STRINGS.signature:
      return `[${(value as readonly string[]).join(', ')}]`;
    case BYTES.signature:
      return encodeHex(value as Uint8Array);
    default:
      return `<${type.signature}:${encodeHex(encodeVariant(value, type))}>`;
  }
}

/** One key of metadata for JSON; keys may repeat, so metadata is a list. */
export interface MetadataEntry {
  readonly key: string;
  /** GVariant type string. */
  readonly type: string;
  readonly value: JsonValue;
}

/** Metadata for JSON, in stored order. */
export function describeMetadata(metadata: VariantDict): MetadataEntry[] {
  return metadata.map(([key, { type, value }]) => ({
    key,
    type: type.signature,
    value: jsonOf(type, value),
  }));
}

/**
 * A GVariant value as JSON: 64-bit integers as decimal strings, bytes as hex, tuples and arrays as lists, dictionaries as lists of
 * pairs (keys may repeat), maybes as an empty list or a list of one, variants as `{type, value}`.
 */
function jsonOf(type: VariantType, value: unknown): JsonValue {
  const { kind, children } = type;
  if (type.signature === BYTES.signature) return encodeHex(value as Uint8Array);
  if (kind === 'x' || kind === 't') return String(value);
  if (kind === 'd') return Number.isFinite(value) ? (value as number) : String(value);
  if (kind === 'v') {
    const inner = value as Variant;
    return { type: inner.type.signature, value: jsonOf(inner.type, inner.value) };
  }
  if (kind === 'm') {
    const inner = value as Just<unknown> | null;
    return inner === null ? [] : [jsonOf(children[0] as VariantType, inner.just)];
  }
  if (kind === 'a') {
    const element = children[0] as VariantType;
    return (value as readonly unknown[]).map((one) => jsonOf(element, one));
  }
  if (kind === '(' || kind === '{') {
    return (value as readonly unknown[]).map((one, at) => jsonOf(children[at] as VariantType, one));
  }
  return value as JsonValue;
}
