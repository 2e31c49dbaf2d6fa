// Invariant: any bytes give at most the limit of bytes, or one of our errors, in time linear in input and limit.
import assert from 'node:assert/strict';
import { isOnecopyError } from '#base/errors';
import { decodeXz } from '#formats/xz';
import { decodeLzma2 } from '../../src/formats/xz/lzma2.ts';
import { Output } from '../../src/formats/xz/output.ts';

/** Name of the target and of its folder of inputs. */
export const name = 'xz';

const LIMIT_BYTES = 1024 * 1024;

/** Decodes the bytes as a file, and as bare LZMA2 that no checksum protects. */
export function run(bytes: Uint8Array): void {
  guarded(() => {
    assert.ok(decodeXz(bytes, { outputMaxBytes: LIMIT_BYTES }).length <= LIMIT_BYTES);
  });
  guarded(() => {
    const output = new Output(LIMIT_BYTES);
    assert.ok(decodeLzma2(bytes, 0, output) <= bytes.length);
    assert.ok(output.length <= LIMIT_BYTES);
  });
}

function guarded(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}
