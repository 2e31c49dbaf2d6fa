import { displayText, encodeHex } from '#base/bytes';
import type { JsonValue } from '#base/errors';
import {
  encodeVariant,
  type Just,
  type Variant,
  type VariantDict,
  type VariantType,
} from '#formats/gvariant';
import { type DeltaObject, parseDelta } from './delta/delta.ts';
import { type Commit, computeContentChecksum, parseCommit } from './objects/commit.ts';
import { type Dirmeta, parseDirmeta } from './objects/dirmeta.ts';
import { parseDirtree } from './objects/dirtree.ts';
import type { SizedFileHeader } from './objects/file.ts';
import { computeFileChecksum } from './objects/file.ts';
import { inflateContent, listFilezWarnings, parseFilez } from './objects/filez.ts';
import { computeMetadataChecksum } from './objects/objects.ts';
import type { OstreeXattr } from './objects/xattrs.ts';
import { parseSummary, parseSummaryIndex } from './summary.ts';

/*
 * JSON forms of every OSTree object, for inspection. Checksums and byte arrays are hex, xattr values base64, times and
 * sizes numbers, or decimal strings where a number would be inexact. Names that are not UTF-8 are shown approximately.
 */

/** The JSON form of a value of a known type. */
export function jsonOfVariant({ type, value }: Variant): JsonValue {
  switch (type.kind) {
    case 'a':
      if (value instanceof Uint8Array) return encodeHex(value);
      return (value as readonly unknown[]).map((item) => jsonOfVariant(of(type, 0, item)));
    case 'm':
      return value === null ? null : [jsonOfVariant(of(type, 0, (value as Just<unknown>).just))];
    case '(':
    case '{':
      return (value as readonly unknown[]).map((item, at) => jsonOfVariant(of(type, at, item)));
    case 'v':
      return { type: (value as Variant).type.signature, value: jsonOfVariant(value as Variant) };
    case 'x':
    case 't':
      return jsonOfNumber(value as bigint);
    default:
      return value as string | number | boolean;
  }
}

/** The JSON form of `a{sv}`: a list, because keys may repeat and their order affects the checksum. */
export function jsonOfMetadata(dict: VariantDict): JsonValue {
  return dict.map(([key, variant]) => ({
    key,
    type: variant.type.signature,
    value: jsonOfVariant(variant),
  }));
}

/**
 * A metadata value in the format of `ostree inspect --metadata`: text unchanged, numbers in decimal, `[a, b]` for lists of
 * text, hex for bytes, and `<TYPE:HEX>` for anything else. Source: OSTree spec 4.5.
 */
export function formatMetadataValue({ type, value }: Variant): string {
  if (type.signature === 's') return value as string;
  if (type.signature === 'b' || type.signature === 'u' || type.signature === 't') {
    return String(value);
  }
  if (type.signature === 'as') return `[${(value as readonly string[]).join(', ')}]`;
  if (value instanceof Uint8Array) return encodeHex(value);
  return `<${type.signature}:${encodeHex(encodeVariant(value, type))}>`;
}

/** Describes a commit object. @throws FormatError of parseCommit */
export function describeCommit(bytes: Uint8Array): JsonValue {
  return { checksum: computeMetadataChecksum(bytes), ...commitFields(parseCommit(bytes)) };
}

/** Describes a dirtree object. @throws FormatError of parseDirtree */
export function describeDirtree(bytes: Uint8Array): JsonValue {
  const { files, directories, isSorted } = parseDirtree(bytes);
  return {
    checksum: computeMetadataChecksum(bytes),
    sorted: isSorted,
    files: files.map(({ name, checksum }) => ({ name: displayText(name), checksum })),
    directories: directories.map(({ name, tree, meta }) => ({
      name: displayText(name),
      dirtree: tree,
      dirmeta: meta,
    })),
  };
}

/** Describes a dirmeta object. @throws FormatError of parseDirmeta */
export function describeDirmeta(bytes: Uint8Array): JsonValue {
  return { checksum: computeMetadataChecksum(bytes), ...ownerFields(parseDirmeta(bytes)) };
}

/** Describes an archived file object and computes its checksum. @throws FormatError of parseFilez, inflateContent */
export function describeFilez(bytes: Uint8Array): JsonValue {
  const { header, payload } = parseFilez(bytes);
  const content = inflateContent(header, payload);
  return {
    checksum: computeFileChecksum(header, content),
    ...headerFields(header),
    packedBytes: payload.length,
    warnings: listFilezWarnings(bytes),
  };
}

/** Describes a superblock or single-file delta. @throws errors of parseDelta */
export function describeDelta(bytes: Uint8Array): JsonValue {
  const { superblock, signatures } = parseDelta(bytes);
  const objects = (list: readonly DeltaObject[]): JsonValue =>
    list.map(({ kind, checksum }) => ({ kind, checksum }));
  return {
    from: superblock.from ?? null,
    to: superblock.to,
    time: jsonOfNumber(superblock.timestampSec),
    signed: signatures !== undefined,
    // Inline parts are metadata too, and would appear as megabytes of hex.
    metadata: jsonOfMetadata(superblock.metadata.filter(([, { type }]) => type.kind !== '(')),
    commit: commitFields(superblock.commit),
    parts: superblock.parts.map((part) => ({
      checksum: part.checksum,
      version: part.version,
      sizeBytes: jsonOfNumber(part.sizeBytes),
      unpackedBytes: jsonOfNumber(part.unpackedBytes),
      objects: objects(part.objects),
    })),
    fallbacks: superblock.fallbacks.map((fallback) => ({
      kind: fallback.kind,
      checksum: fallback.checksum,
      sizeBytes: jsonOfNumber(fallback.sizeBytes),
      unpackedBytes: jsonOfNumber(fallback.unpackedBytes),
    })),
  };
}

/** Describes a summary. @throws FormatError of parseSummary */
export function describeSummary(bytes: Uint8Array): JsonValue {
  const { refs, metadata } = parseSummary(bytes);
  return {
    checksum: computeMetadataChecksum(bytes),
    refs: refs.map((ref) => ({
      name: ref.name,
      commit: ref.checksum,
      commitBytes: jsonOfNumber(ref.commitBytes),
      metadata: jsonOfMetadata(ref.metadata),
    })),
    metadata: jsonOfMetadata(metadata),
  };
}

/** Describes a summary index. @throws FormatError of parseSummaryIndex */
export function describeSummaryIndex(bytes: Uint8Array): JsonValue {
  const { subsets, metadata } = parseSummaryIndex(bytes);
  return {
    checksum: computeMetadataChecksum(bytes),
    subsets: subsets.map(({ name, current, history, metadata: subset }) => ({
      name,
      current,
      history,
      metadata: jsonOfMetadata(subset),
    })),
    metadata: jsonOfMetadata(metadata),
  };
}

/** Header fields of a file as JSON. */
export function headerFields(header: SizedFileHeader): { readonly [key: string]: JsonValue } {
  return {
    ...ownerFields(header),
    size: header.sizeBytes,
    target: displayText(header.target),
  };
}

function of(type: VariantType, at: number, value: unknown): Variant {
  return { type: type.children[at] as VariantType, value };
}

function commitFields(commit: Commit): { readonly [key: string]: JsonValue } {
  return {
    parent: commit.parent ?? null,
    subject: commit.subject,
    body: commit.body,
    time: jsonOfNumber(commit.timestampSec),
    tree: commit.rootTree,
    dirmeta: commit.rootMeta,
    contentChecksum: computeContentChecksum(commit),
    metadata: jsonOfMetadata(commit.metadata),
  };
}

function ownerFields({ uid, gid, mode, xattrs }: Dirmeta): { readonly [key: string]: JsonValue } {
  return { uid, gid, mode, xattrs: xattrs.map(jsonOfXattr) };
}

function jsonOfXattr({ name, value }: OstreeXattr): JsonValue {
  return [displayText(name), Buffer.from(value).toString('base64')];
}

function jsonOfNumber(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
