// Invariant: any bytes give a tree or a FormatError, the same for any cut into pieces; a tree that is read is canonical once written.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { encodeImage } from '#formats/erofs';
import { type Dialect, DumpfileParser, encodeDumpfile, parseDumpfile } from '#formats/tree';

/** Name of the target and of its folder of inputs. */
export const name = 'dumpfile';

/** Parses the bytes by the rules of both dialects. */
export function run(bytes: Uint8Array): void {
  const whole = dumpOf(bytes, 'composefs-rs', bytes.length + 1);
  assert.equal(dumpOf(bytes, 'composefs-rs', 7), whole);
  if (whole !== undefined) {
    assert.equal(dumpOf(Buffer.from(whole, 'latin1'), 'composefs-rs', 4096), whole);
  }
  guarded(() => {
    const parser = new DumpfileParser({ dialect: 'c' });
    parser.push(bytes);
    const { tree, overrides } = parser.end();
    encodeImage(tree, { version: 1, algorithm: 'sha256', likeC: true, overrides });
  });
  guarded(() => encodeImage(parseDumpfile(bytes), { version: 2, algorithm: 'sha256' }));
}

function dumpOf(bytes: Uint8Array, dialect: Dialect, pieceBytes: number): string | undefined {
  return guarded(() => {
    const parser = new DumpfileParser({ dialect });
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      parser.push(bytes.subarray(at, at + pieceBytes));
    }
    return Buffer.from(encodeDumpfile(parser.end().tree)).toString('latin1');
  });
}

function guarded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
