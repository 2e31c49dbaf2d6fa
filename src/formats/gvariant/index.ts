/**
 * GVariant, the serialisation of every OSTree metadata object: typed descriptors, a parser that accepts normal form only,
 * and an encoder that reproduces the same bytes. Little-endian; formats/ostree swaps the big-endian fields of OSTree.
 *
 *     const TYPE = tupleOf(STRING, arrayOf(UINT32));
 *     parseVariant(encodeVariant(['a', [1, 2]], TYPE), TYPE)   // ['a', [1, 2]]
 */
export { lookupAny, lookupVariant, variantOf } from './dict.ts';
export {
  offsetWidth,
  type ParseVariantOptions,
  parseVariant,
  VARIANT_VALUES_MAX,
} from './reader.ts';
export { parseVariantText, VARIANT_TEXT_MAX } from './text.ts';
export {
  alignUp,
  arrayOf,
  BOOLEAN,
  BYTE,
  BYTES,
  DOUBLE,
  entryOf,
  HANDLE,
  INT16,
  INT32,
  INT64,
  type Just,
  maybeOf,
  OBJECT_PATH,
  parseVariantType,
  SIGNATURE,
  STRING,
  tupleOf,
  UINT16,
  UINT32,
  UINT64,
  VARIANT,
  VARIANT_DEPTH_MAX,
  VARIANT_DICT,
  type ValueOf,
  type Variant,
  type VariantDict,
  type VariantKind,
  type VariantType,
} from './variant-type.ts';
export { chooseOffsetWidth, encodeVariant } from './writer.ts';
