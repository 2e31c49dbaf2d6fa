import * as v from 'valibot';

/** Text. */
export const text = v.string();
/** A whole number from 0. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A switch that is off by default. */
export const flag = v.optional(v.boolean());
/** Text that may be absent from a request. */
export const maybeText = v.optional(text);
/** A number that may be absent from a request. */
export const maybeCount = v.optional(count);

/** A read-only list. */
export function list<Item extends v.GenericSchema>(item: Item) {
  return v.pipe(v.array(item), v.readonly());
}

/** A list of texts in a request; empty when it is absent. */
export const texts = v.optional(list(text), []);

/** A version of the EROFS images. */
export const erofsVersion = v.picklist([0, 1, 2]);

/** Compatibility reading of layers and commits that is requested instead of the specifications. */
export const compat = v.optional(v.picklist(['cfsctl']));

/** Null for undefined, as JSON has no undefined. */
export function orNull<Value>(value: Value | undefined): Value | null {
  return value ?? null;
}
