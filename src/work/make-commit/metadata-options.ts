import { FormatError } from '#base/errors';
import { parseVariantText, STRING, type VariantDict, variantOf } from '#formats/gvariant';
import { encodeMetadataDict } from '#formats/ostree';

/**
 * Commit metadata from `KEY=VALUE` texts: strings first, then values in GVariant text format, each in the order given, as
 * `ostree commit` stores them whatever the order of its options. Source: OSTree spec 2.3.
 * @throws FormatError OSTREE_METADATA_INVALID, GVARIANT_TEXT_INVALID
 */
export function parseMetadataOptions(
  strings: readonly string[],
  values: readonly string[],
): VariantDict {
  return [
    ...strings.map((text) => {
      const [key, value] = split(text);
      return [key, variantOf(STRING, value)] as const;
    }),
    ...values.map((text) => {
      const [key, value] = split(text);
      return [key, parseVariantText(value)] as const;
    }),
  ];
}

/** The bytes of detached metadata from `KEY=VALUE` strings; undefined when there are none. @throws as above */
export function encodeDetachedOptions(strings: readonly string[]): Uint8Array | undefined {
  if (strings.length === 0) return undefined;
  return encodeMetadataDict(parseMetadataOptions(strings, []));
}

function split(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new FormatError(
    'OSTREE_METADATA_INVALID',
    `Cannot read metadata ${JSON.stringify(text.slice(0, 100))}: expected KEY=VALUE`,
    { offset: 0, what: 'metadata', found: text.slice(0, 100) },
  );
}
