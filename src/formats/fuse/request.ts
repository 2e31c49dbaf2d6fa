import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { IN_HEADER, INIT_IN, OPCODE, READ_IN, RELEASE_IN, XATTR_IN } from './layout.ts';

/** A range of a file or a directory to read. */
interface Span {
  /** The handle that `open` returned. */
  readonly handle: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A request of the kernel. */
export type FuseRequest = {
  readonly unique: bigint;
  /** Number of the node; 0 for a request without a node. */
  readonly node: number;
} & (
  | {
      readonly kind: 'init';
      readonly major: number;
      readonly minor: number;
      readonly readAheadBytes: number;
      readonly flags: number;
      readonly flags2: number;
    }
  | { readonly kind: 'lookup'; readonly name: ByteString }
  | { readonly kind: 'getattr' | 'readlink' | 'open' | 'opendir' | 'statfs' }
  | ({ readonly kind: 'read' } & Span)
  | ({ readonly kind: 'readdir' } & Span)
  | ({ readonly kind: 'readdirplus' } & Span)
  | { readonly kind: 'release' | 'releasedir'; readonly handle: number }
  | { readonly kind: 'getxattr'; readonly name: ByteString; readonly lengthBytes: number }
  | { readonly kind: 'listxattr'; readonly lengthBytes: number }
  /** No reply is expected. */
  | { readonly kind: 'forget' | 'interrupt' }
  | { readonly kind: 'flush' | 'destroy' }
  /** An operation that a read-only filesystem does not support. */
  | { readonly kind: 'other'; readonly opcode: number }
);

type Kind = FuseRequest['kind'];

const KINDS: ReadonlyMap<number, Kind> = new Map([
  ...Object.entries(OPCODE).map(([name, opcode]) => [opcode, name as Kind] as const),
  [OPCODE.batchForget, 'forget'],
]);

/**
 * Parses one request, as one read of `/dev/fuse` returns it.
 * @throws FormatError FUSE_REQUEST_INVALID when it is shorter than its length field or its operation requires
 */
export function parseFuseRequest(bytes: Buffer): FuseRequest {
  need(bytes, IN_HEADER.sizeBytes);
  const length = bytes.readUInt32LE(IN_HEADER.length);
  if (length < IN_HEADER.sizeBytes) throw invalid(0, IN_HEADER.sizeBytes, length);
  need(bytes, length);
  const opcode = bytes.readUInt32LE(IN_HEADER.opcode);
  const head = {
    unique: bytes.readBigUInt64LE(IN_HEADER.unique),
    node: numberAt(bytes, IN_HEADER.nodeId),
  };
  const body = bytes.subarray(IN_HEADER.sizeBytes, length);
  const kind = KINDS.get(opcode) ?? 'other';
  switch (kind) {
    case 'init':
      return { ...head, kind, ...initOf(body) };
    case 'lookup':
      return { ...head, kind, name: nameOf(body) };
    case 'read':
    case 'readdir':
    case 'readdirplus':
      return { ...head, kind, ...spanOf(body) };
    case 'release':
    case 'releasedir':
      need(body, RELEASE_IN.sizeBytes);
      return { ...head, kind, handle: numberAt(body, RELEASE_IN.handle) };
    case 'getxattr': {
      need(body, XATTR_IN.sizeBytes);
      const lengthBytes = body.readUInt32LE(XATTR_IN.length);
      return { ...head, kind, lengthBytes, name: nameOf(body.subarray(XATTR_IN.sizeBytes)) };
    }
    case 'listxattr':
      need(body, XATTR_IN.sizeBytes);
      return { ...head, kind, lengthBytes: body.readUInt32LE(XATTR_IN.length) };
    case 'other':
      return { ...head, kind, opcode };
    default:
      return { ...head, kind };
  }
}

function initOf(body: Buffer) {
  need(body, INIT_IN.sizeBytes);
  return {
    major: body.readUInt32LE(INIT_IN.major),
    minor: body.readUInt32LE(INIT_IN.minor),
    readAheadBytes: body.readUInt32LE(INIT_IN.readAhead),
    flags: body.readUInt32LE(INIT_IN.flags),
    flags2: body.length >= INIT_IN.flags2 + 4 ? body.readUInt32LE(INIT_IN.flags2) : 0,
  };
}

function spanOf(body: Buffer): Span {
  need(body, READ_IN.sizeBytes);
  return {
    handle: numberAt(body, READ_IN.handle),
    offset: numberAt(body, READ_IN.offset),
    lengthBytes: body.readUInt32LE(READ_IN.length),
  };
}

/** A name ends with a NUL. */
function nameOf(body: Buffer): ByteString {
  const end = body.indexOf(0);
  if (end < 0) throw invalid(0, body.length + 1, body.length);
  return body.toString('latin1', 0, end) as ByteString;
}

/** Numbers above 2^53 are never valid: they become another number that is not valid either. */
function numberAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function need(bytes: Buffer, sizeBytes: number): void {
  if (bytes.length < sizeBytes) throw invalid(bytes.length, sizeBytes, bytes.length);
}

function invalid(offset: number, expected: number, found: number): FormatError {
  return new FormatError(
    'FUSE_REQUEST_INVALID',
    `Cannot read a request of the kernel: expected ${expected} bytes, found ${found}`,
    { offset, what: 'request', expected, found },
  );
}
