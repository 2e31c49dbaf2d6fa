import { type ContentDigest, parseContentDigest } from '#base/digest';
import type { JsonField } from './json.ts';
import type { Platform } from './platform.ts';

/** Type, digest and size of a blob. Source: image-spec descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly annotations: ReadonlyMap<string, string>;
  /** Present only in entries of an index. */
  readonly platform?: Platform;
  readonly artifactType?: string;
  /** URLs of a foreign layer; this library never downloads from them. */
  readonly urls: readonly string[];
}

/** @throws FormatError OCI_DOCUMENT_INVALID */
export function readDescriptor(field: JsonField): Descriptor {
  const platform = readPlatform(field.get('platform'));
  const artifactType = field.get('artifactType').optionalString();
  return {
    mediaType: field.get('mediaType').string(),
    digest: readDigest(field.get('digest')),
    sizeBytes: field.get('size').size(),
    annotations: field.get('annotations').stringMap(),
    urls: field.get('urls').strings(64),
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** @throws FormatError OCI_DOCUMENT_INVALID with the digest error as its cause */
export function readDigest(field: JsonField): ContentDigest {
  const text = field.string();
  try {
    return parseContentDigest(text);
  } catch (cause) {
    return field.fail('a content digest', cause);
  }
}

function readPlatform(field: JsonField): Platform | undefined {
  if (field.isAbsent) return undefined;
  const os = field.get('os').optionalString() ?? '';
  const architecture = field.get('architecture').optionalString() ?? '';
  const variant = field.get('variant').optionalString();
  if (os === '' && architecture === '') return undefined;
  return variant === undefined || variant === ''
    ? { os, architecture }
    : { os, architecture, variant };
}
