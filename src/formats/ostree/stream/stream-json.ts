import { type ByteString, byteStringFromText, equalBytes } from '#base/bytes';
import {
  type ObjectId,
  type OstreeChecksum,
  parseObjectId,
  parseOstreeChecksum,
} from '#base/digest';
import { FormatError, type JsonValue } from '#base/errors';
import { headerFields } from '../describe.ts';
import { walkCommit } from '../objects/commit-walk.ts';
import { encodeZlibHeader, frameHeader, type SizedFileHeader } from '../objects/file.ts';
import type { DeltaObjectKind } from '../objects/objects.ts';
import { CommitStreamBuilder } from './commit-stream.ts';
import type { CommitStream, StreamObject } from './commit-stream-reader.ts';

/** The JSON form of a commit stream. */
export interface StreamDocument {
  readonly commit: OstreeChecksum;
  readonly flags: number;
  /** Named refs of the splitstream. */
  readonly images: { readonly [name: string]: ObjectId };
  /** In ascending order of their ids. */
  readonly objects: readonly StreamObjectDocument[];
}

/** One object of a stream as JSON. */
export interface StreamObjectDocument {
  readonly id: OstreeChecksum;
  /** Null when the commit does not reach it. */
  readonly type: DeltaObjectKind | null;
  /** Length of its data in the stream, in bytes. */
  readonly length: number;
  readonly external: ObjectId | null;
  /** For a file: uid, gid, mode, size, target, xattrs (name and base64). */
  readonly header: { readonly [key: string]: JsonValue } | null;
  /** Base64 of the framed header, where `header` alone does not encode to the same bytes. */
  readonly rawHeader?: string;
  /** Base64 of the data, for a file without its header; null for an external file. */
  readonly content: string | null;
}

/**
 * The JSON form of a stream; streamFromJson restores the identical bytes.
 * @throws FormatError only for faults found while walking the commit; objects of unknown kind are listed with type null
 */
export function describeCommitStream(
  stream: CommitStream,
  namedRefs: ReadonlyMap<string, ObjectId> = new Map(),
): StreamDocument {
  const kinds = new Map<OstreeChecksum, DeltaObjectKind>();
  const lookup = (checksum: OstreeChecksum): Uint8Array | undefined => stream.find(checksum)?.data;
  for (const { kind, checksum } of walkCommit(stream.commit, lookup)) kinds.set(checksum, kind);
  return {
    commit: stream.commit,
    flags: stream.flags,
    images: Object.fromEntries(namedRefs),
    objects: [...stream.objects()].map((object) =>
      describeObject(stream, object, kinds.get(object.checksum) ?? null),
    ),
  };
}

/**
 * A builder with the objects of a JSON document, ready to encode its commit.
 * @throws FormatError OSTREE_STREAM_INVALID, DIGEST_INVALID
 */
export function streamFromJson(document: unknown): {
  readonly builder: CommitStreamBuilder;
  readonly commit: OstreeChecksum;
} {
  const { commit, objects } = record(document, 'document');
  const builder = new CommitStreamBuilder();
  if (!Array.isArray(objects)) failJson('objects', 'a list');
  for (const item of objects as readonly unknown[]) addObject(builder, record(item, 'object'));
  return { builder, commit: parseOstreeChecksum(text(commit, 'commit')) };
}

function describeObject(
  stream: CommitStream,
  object: StreamObject,
  type: DeltaObjectKind | null,
): StreamObjectDocument {
  const { checksum, data, external } = object;
  const common = { id: checksum, type, length: data.length, external: external ?? null };
  if (type !== 'file') return { ...common, header: null, content: base64(data) };
  const { header, rawHeader, inline } = stream.file(checksum);
  const fields = headerFields(header);
  const isExact = equalBytes(frameHeader(encodeZlibHeader(headerOf(fields))), rawHeader);
  return {
    ...common,
    header: fields,
    ...(isExact ? {} : { rawHeader: base64(rawHeader) }),
    content: external === undefined ? base64(inline) : null,
  };
}

function addObject(builder: CommitStreamBuilder, object: Fields): void {
  const id = parseOstreeChecksum(text(object['id'], 'id'));
  const external = object['external'];
  const content = object['content'] === null ? new Uint8Array(0) : bytes(object['content']);
  if (object['header'] === null) {
    if (external === null) builder.addMetadata(id, content);
    else builder.addExternalFile(id, content, parseObjectId(text(external, 'external')));
    return;
  }
  const raw =
    object['rawHeader'] === undefined
      ? frameHeader(encodeZlibHeader(headerOf(record(object['header'], 'header'))))
      : bytes(object['rawHeader']);
  if (external === null) builder.addInlineFile(id, raw, content);
  else builder.addExternalFile(id, raw, parseObjectId(text(external, 'external')));
}

type Fields = { readonly [key: string]: unknown };

function headerOf(fields: Fields): SizedFileHeader {
  const xattrs = fields['xattrs'];
  if (!Array.isArray(xattrs)) failJson('xattrs', 'a list');
  return {
    uid: number(fields['uid'], 'uid', 0xffffffff),
    gid: number(fields['gid'], 'gid', 0xffffffff),
    mode: number(fields['mode'], 'mode', 0xffffffff),
    target: byteStringFromText(string(fields['target'], 'target')),
    sizeBytes: number(fields['size'], 'size', Number.MAX_SAFE_INTEGER),
    xattrs: (xattrs as readonly unknown[]).map(xattrOf),
  };
}

function xattrOf(pair: unknown): { readonly name: ByteString; readonly value: Uint8Array } {
  if (!Array.isArray(pair) || pair.length !== 2) failJson('xattr', 'a name and a value');
  const [name, value]: unknown[] = pair;
  return { name: byteStringFromText(string(name, 'xattr')), value: bytes(value) };
}

function record(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    failJson(what, 'an object');
  }
  return value as Fields;
}

function text(value: unknown, what: string): string {
  return typeof value === 'string' ? value : failJson(what, 'a string');
}

/** A text that a GVariant string can hold. */
function string(value: unknown, what: string): string {
  const found = text(value, what);
  return found.isWellFormed() && !found.includes('\0') ? found : failJson(what, 'plain text');
}

function number(value: unknown, what: string, max: number): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max
    ? (value as number)
    : failJson(what, `a whole number up to ${max}`);
}

function bytes(value: unknown): Uint8Array {
  const encoded = text(value, 'base64');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) failJson('base64', 'base64');
  return new Uint8Array(Buffer.from(encoded, 'base64'));
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64');
}

function failJson(what: string, expected: string): never {
  throw new FormatError(
    'OSTREE_STREAM_INVALID',
    `Cannot read JSON of commit stream: expected ${what} to be ${expected}, found another value`,
    { offset: 0, what: 'JSON of commit stream', expected: `${what}: ${expected}` },
  );
}
