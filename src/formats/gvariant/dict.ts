import type { Variant, VariantDict, VariantType } from './variant-type.ts';

/**
 * Returns the first value stored under a key if it has exactly this type, else undefined (as GLib's g_variant_lookup).
 * Repeated keys are legal; readers use the first (OSTree spec 2.3).
 */
export function lookupVariant<T>(
  dict: VariantDict,
  key: string,
  type: VariantType<T>,
): T | undefined {
  const found = lookupAny(dict, key);
  return found?.type.signature === type.signature ? (found.value as T) : undefined;
}

/** Returns the first value stored under a key, of any type. */
export function lookupAny(dict: VariantDict, key: string): Variant | undefined {
  return dict.find(([name]) => name === key)?.[1];
}

/** Pairs a value with its type, for use in a dict: `['version', variantOf(STRING, '1.0')]`. */
export function variantOf<T>(type: VariantType<T>, value: T): Variant<T> {
  return { type, value };
}
