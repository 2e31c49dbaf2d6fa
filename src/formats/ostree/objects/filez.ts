import { createInflateRaw, deflateRawSync, inflateRawSync, constants as zlib } from 'node:zlib';
import { FormatError } from '#base/errors';
import { HEADER_PREFIX_BYTES } from '../layout.ts';
import type { SizedFileHeader } from './file.ts';
import { encodeZlibHeader, frameHeader, parseHeaderPrefix, parseZlibHeader } from './file.ts';
import { isLinkMode } from './mode.ts';
import { isSorted } from './xattrs.ts';

/** The parts of a `.filez` object in memory. */
export interface Filez {
  readonly header: SizedFileHeader;
  /** The header as received, including its prefix: the form that a commit stream stores. A view. */
  readonly rawHeader: Uint8Array;
  /** The raw deflate stream; empty for links. A view. */
  readonly payload: Uint8Array;
}

/** An optional inflater for raw deflate streams in memory, where the host has one that is faster than zlib. */
export interface WholeInflater {
  /**
   * Inflates a stream into `output`. Returns false when the stream is incomplete, inflates to another length than `output`, or has
   * trailing bytes: zlib then reports the fault, if there is one.
   */
  inflateWhole(input: Uint8Array, output: Uint8Array): boolean;
}

/** Largest piece that inflateSource yields, in bytes. */
const PIECE_BYTES = 256 * 1024;
/** Largest content for which memory is allocated before the optional inflater runs, in bytes. */
const UNSEEN_MAX_BYTES = 4 * 1024 * 1024;
/**
 * A truncated deflate stream is not fatal when all `size` bytes were inflated (OSTree spec 2.4): flush, never require the end. A
 * function, because reading the constant loads zlib.
 */
const tolerant = () => ({ finishFlush: zlib.Z_SYNC_FLUSH });

/**
 * Splits a `.filez` object into header and payload; nothing is inflated or hashed yet.
 * @throws FormatError OSTREE_HEADER_INVALID, OSTREE_PAYLOAD_INVALID (a link with payload) and those of parseZlibHeader
 */
export function parseFilez(bytes: Uint8Array): Filez {
  const headerEnd = HEADER_PREFIX_BYTES + parseHeaderPrefix(bytes);
  const header = parseZlibHeader(bytes.subarray(HEADER_PREFIX_BYTES, headerEnd));
  const payload = bytes.subarray(headerEnd);
  requireNoLinkPayload(header, payload.length);
  return { header, rawHeader: bytes.subarray(0, headerEnd), payload };
}

/**
 * Inflates a small file object in one call; never returns more bytes than the size in the header, however long the payload
 * would be when inflated.
 * @param inflater is tried before zlib
 * @param onWarning receives the anomalies of an accepted payload
 * @throws FormatError OSTREE_PAYLOAD_INVALID when the payload is damaged or inflates to another number of bytes
 */
export function inflateContent(
  header: SizedFileHeader,
  payload: Uint8Array,
  inflater?: WholeInflater,
  onWarning?: (warning: FilezWarning) => void,
): Uint8Array {
  if (isLinkMode(header.mode)) return new Uint8Array(0);
  if (header.sizeBytes === 0 && payload.length === 0) {
    onWarning?.('STREAM_UNFINISHED');
    return new Uint8Array(0);
  }
  if (inflater !== undefined && header.sizeBytes <= UNSEEN_MAX_BYTES) {
    const output = new Uint8Array(header.sizeBytes);
    if (inflater.inflateWhole(payload, output)) return output;
  }
  let content: Buffer;
  try {
    content = inflateWithZlib(payload, header.sizeBytes, onWarning);
  } catch (cause) {
    throw inflateError(cause, header.sizeBytes);
  }
  if (content.length !== header.sizeBytes) throw sizeError(header.sizeBytes, content.length);
  return new Uint8Array(content.buffer, content.byteOffset, content.length);
}

/**
 * Inflates a file object in pieces, from a payload that arrives in pieces. Memory stays bounded; throws
 * as soon as more than `sizeBytes` bytes are inflated.
 * @throws FormatError OSTREE_PAYLOAD_INVALID; errors of the source pass unchanged
 */
export async function* inflateSource(
  source: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const inflate = createInflateRaw({ ...tolerant(), chunkSize: PIECE_BYTES });
  let sourceError: unknown;
  const feeding = feed(source, inflate).catch((error: unknown) => {
    sourceError = error;
    inflate.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  let producedBytes = 0;
  try {
    for await (const piece of inflate as AsyncIterable<Uint8Array>) {
      producedBytes += piece.length;
      if (producedBytes > sizeBytes) throw sizeError(sizeBytes, producedBytes);
      yield piece;
    }
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw error instanceof FormatError ? error : inflateError(error, sizeBytes);
  } finally {
    inflate.destroy();
    await feeding;
  }
  if (producedBytes !== sizeBytes) throw sizeError(sizeBytes, producedBytes);
}

/** Anomalies of a `.filez` object that do not change its checksum; libostree ignores all of them. */
export const FILEZ_WARNINGS = {
  PREFIX_PADDING: 'bytes 4 to 7 are not zero',
  STREAM_UNFINISHED: 'the deflate stream has no end',
  TRAILING_BYTES: 'bytes follow the deflate stream',
  XATTRS_UNSORTED: 'xattrs are not sorted by name',
} as const;

/** Code of a warning. */
export type FilezWarning = keyof typeof FILEZ_WARNINGS;

/** True when the unused part of a header's prefix is zero. */
export function isPrefixClear(rawHeader: Uint8Array): boolean {
  return rawHeader[4] === 0 && rawHeader[5] === 0 && rawHeader[6] === 0 && rawHeader[7] === 0;
}

/**
 * Lists the warnings for an accepted object. Source: OSTree spec 2.4.
 * @throws FormatError of parseFilez and inflateContent
 */
export function listFilezWarnings(bytes: Uint8Array): FilezWarning[] {
  const { header, payload } = parseFilez(bytes);
  const warnings: FilezWarning[] = [];
  if (!isPrefixClear(bytes)) warnings.push('PREFIX_PADDING');
  inflateContent(header, payload, undefined, (warning) => warnings.push(warning));
  if (!isSorted(header.xattrs)) warnings.push('XATTRS_UNSORTED');
  return warnings;
}

/** Inflates a payload; a truncated stream is inflated again without requiring its end. */
function inflateWithZlib(
  payload: Uint8Array,
  sizeBytes: number,
  onWarning: ((warning: FilezWarning) => void) | undefined,
): Buffer {
  const limits = {
    maxOutputLength: sizeBytes + 1,
    chunkSize: Math.min(Math.max(sizeBytes + 1, 64), PIECE_BYTES),
  };
  try {
    // The type declarations do not know that `info` changes the result.
    const { buffer, engine } = inflateRawSync(payload, { ...limits, info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten < payload.length) onWarning?.('TRAILING_BYTES');
    return buffer;
  } catch (error) {
    if ((error as { code?: string }).code !== 'Z_BUF_ERROR') throw error;
  }
  const content = inflateRawSync(payload, { ...limits, ...tolerant() });
  onWarning?.('STREAM_UNFINISHED');
  return content;
}

/** A complete `.filez` object. Its deflate bytes are not reproducible across zlib versions; its checksum is. */
export function encodeFilez(
  header: SizedFileHeader,
  content: Uint8Array,
  level: number = 6,
): Uint8Array {
  const framed = frameHeader(encodeZlibHeader(header));
  if (isLinkMode(header.mode)) return framed;
  return new Uint8Array(Buffer.concat([framed, deflateRawSync(content, { level })]));
}

/** @throws FormatError OSTREE_PAYLOAD_INVALID when bytes follow the header of a link */
export function requireNoLinkPayload(header: SizedFileHeader, payloadBytes: number): void {
  if (payloadBytes === 0 || !isLinkMode(header.mode)) return;
  throw new FormatError(
    'OSTREE_PAYLOAD_INVALID',
    `Cannot read file object: expected a link to end after its header, found ${payloadBytes} more bytes`,
    { offset: 0, what: 'file payload', expected: 0, found: payloadBytes },
  );
}

async function feed(
  source: AsyncIterable<Uint8Array>,
  inflate: ReturnType<typeof createInflateRaw>,
): Promise<void> {
  for await (const piece of source) {
    if (inflate.destroyed) return;
    if (!inflate.write(piece)) await drained(inflate);
  }
  inflate.end();
}

/** Resolves when the inflater accepts more input, or is closed. */
function drained(inflate: ReturnType<typeof createInflateRaw>): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      inflate.off('drain', go);
      inflate.off('close', go);
      resolve();
    };
    inflate.on('drain', go);
    inflate.on('close', go);
    if (inflate.destroyed) go();
  });
}

function inflateError(cause: unknown, expected: number): FormatError {
  const isTooLong = (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
  return isTooLong
    ? sizeError(expected, expected + 1)
    : new FormatError(
        'OSTREE_PAYLOAD_INVALID',
        `Cannot inflate file payload: expected ${expected} bytes, found a damaged deflate stream`,
        { offset: 0, what: 'file payload', expected },
        { cause },
      );
}

function sizeError(expected: number, found: number): FormatError {
  const amount = found > expected ? `at least ${found}` : String(found);
  return new FormatError(
    'OSTREE_PAYLOAD_INVALID',
    `Cannot inflate file payload: expected ${expected} bytes, found ${amount}`,
    { offset: 0, what: 'file payload', expected, found },
  );
}
