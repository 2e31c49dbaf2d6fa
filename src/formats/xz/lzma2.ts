import { FormatError } from '#base/errors';
import { LzmaDecoder } from './lzma.ts';
import type { Output } from './output.ts';

/** Largest valid properties byte: (pb 4 × 5 + lp 4) × 9 + lc 8. */
const PROPERTIES_MAX = (4 * 5 + 4) * 9 + 8;

/**
 * Decodes LZMA2 chunks from `start` until their end marker and returns the offset after it.
 *
 *     00 end | 01, 02 size(2) bytes | 80–FF size(5 bits + 2) packed size(2) [properties] LZMA data
 *
 * 01 and E0–FF reset the dictionary, A0 and above the state, C0 and above bring properties.
 * Source: The .xz file format 1.2.0, section 5.3.1; LZMA2 as documented in XZ Embedded.
 * @throws FormatError XZ_INVALID, XZ_TOO_LARGE
 */
export function decodeLzma2(input: Uint8Array, start: number, output: Output): number {
  const lzma = new LzmaDecoder(input, output);
  let at = start;
  let needsDictionary = true;
  let needsProperties = true;
  const byte = (): number => {
    if (at >= input.length) failLzma2(at, 'more data', 'the end');
    return input[at++] as number;
  };
  for (;;) {
    const control = byte();
    if (control === 0) return at;
    if (control === 1 || control >= 0xe0) {
      needsDictionary = false;
      needsProperties = true;
      lzma.resetDictionary();
    } else if (needsDictionary) failLzma2(at - 1, 'a dictionary reset', `chunk ${control}`);
    if (control < 0x80) {
      if (control > 2) failLzma2(at - 1, 'a known chunk', `chunk ${control}`);
      at = copyChunk(input, at, output);
      continue;
    }
    const sizeBytes = (control % 0x20) * 0x10000 + byte() * 0x100 + byte() + 1;
    const packedBytes = byte() * 0x100 + byte() + 1;
    if (control >= 0xc0) {
      const properties = byte();
      if (properties > PROPERTIES_MAX || !lzma.setProperties(properties)) {
        failLzma2(at - 1, 'properties', String(properties));
      }
      needsProperties = false;
    } else if (needsProperties) failLzma2(at - 1, 'properties', `chunk ${control}`);
    if (control >= 0xa0) lzma.resetState();
    if (packedBytes > input.length - at) failLzma2(at, `${packedBytes} bytes`, 'the end');
    output.reserve(sizeBytes);
    lzma.decode(at, packedBytes, sizeBytes);
    at += packedBytes;
  }
}

/** A stored chunk: a size of two bytes less one, then the bytes. */
function copyChunk(input: Uint8Array, at: number, output: Output): number {
  if (input.length - at < 2) failLzma2(at, 'a chunk size', 'the end');
  const count = (input[at] as number) * 0x100 + (input[at + 1] as number) + 1;
  const from = at + 2;
  if (count > input.length - from) failLzma2(from, `${count} bytes`, 'the end');
  output.reserve(count);
  output.bytes.set(input.subarray(from, from + count), output.length);
  output.length += count;
  return from + count;
}

function failLzma2(offset: number, expected: string, found: string): never {
  throw new FormatError(
    'XZ_INVALID',
    `Cannot decode LZMA2 at ${offset}: expected ${expected}, found ${found}`,
    { offset, what: 'LZMA2', expected, found },
  );
}
