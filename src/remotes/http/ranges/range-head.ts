import { FormatError } from '#base/errors';
import type { ByteRange } from '#base/flow';
import { BOUNDARY_BYTES_MAX } from './layout.ts';

/** How a server answers a request for ranges, from the head of its response. */
export type RangeHead =
  /** It ignores ranges: the body is the complete blob. */
  | { readonly kind: 'whole' }
  /** The body is one range, which may be shorter than requested. */
  | { readonly kind: 'single'; readonly range: ByteRange }
  /** The body has parts, each with its range. */
  | { readonly kind: 'multipart'; readonly boundary: string }
  /** It refuses the request: 400, 416, 501 and similar. */
  | { readonly kind: 'refused'; readonly status: number };

/** Refuses a response to a range request; `offset` counts from the start of its body. */
export function failRange(what: string, offset: number, reason: string): never {
  throw new FormatError(
    'RANGE_RESPONSE_INVALID',
    `Cannot use response to a range request: ${what} at ${offset}: ${reason}`,
    { offset, what, reason },
  );
}

/**
 * Reads the head of a response. Names of headers are in lower case.
 * Source: RFC 9110, sections 14.4, 14.6 and 15.3.7.
 * @throws FormatError RANGE_RESPONSE_INVALID for a 206 that does not state its range
 */
export function readRangeHead(
  status: number,
  headers: ReadonlyMap<string, string>,
  blobBytes: number,
): RangeHead {
  if (status === 200) return { kind: 'whole' };
  if (status !== 206) return { kind: 'refused', status };
  const type = headers.get('content-type') ?? '';
  if (/^multipart\/byteranges\s*(?:;|$)/i.test(type)) {
    return { kind: 'multipart', boundary: boundaryOf(type) };
  }
  const text = headers.get('content-range');
  if (text === undefined) {
    failRange('head', 0, `expected Content-Range or multipart/byteranges, found type "${type}"`);
  }
  return { kind: 'single', range: parseContentRange(text, blobBytes, 0) };
}

/**
 * The range of a Content-Range. The total may be `*` or the size of the blob.
 * @throws FormatError RANGE_RESPONSE_INVALID
 */
export function parseContentRange(text: string, blobBytes: number, offset: number): ByteRange {
  const match = /^bytes\s+([0-9]{1,16})-([0-9]{1,16})\/([0-9]{1,16}|\*)$/i.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  const total = match?.[3] === '*' ? blobBytes : Number(match?.[3]);
  if (match === null || first > last || last >= blobBytes || total !== blobBytes) {
    const found = JSON.stringify(text.slice(0, 100));
    failRange(
      'Content-Range',
      offset,
      `expected a range within ${blobBytes} bytes, found ${found}`,
    );
  }
  return { offset: first, length: last - first + 1 };
}

/** The boundary, quoted or not; characters that need quotes are also accepted without quotes, because some servers omit them. */
function boundaryOf(type: string): string {
  const match = /;\s*boundary\s*=\s*(?:"([^"\r\n]+)"|([^\s;"]+))/i.exec(type);
  const boundary = match?.[1] ?? match?.[2] ?? '';
  if (boundary === '' || boundary.length > BOUNDARY_BYTES_MAX) {
    const found = JSON.stringify(type.slice(0, 100));
    failRange('boundary', 0, `expected 1 to ${BOUNDARY_BYTES_MAX} characters, found ${found}`);
  }
  return boundary;
}
