// Invariant: any bytes give records that are written and read again alike, in any pieces, or one FormatError.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import {
  encodeTarSplitRecord,
  TarSplitReader,
  type TarSplitRecord,
  TarSplitWriter,
} from '#formats/tar-split';
import { testPaxRecord, testTar } from '../../test/support/tar-archive.ts';

/** Name of the target and of its folder of inputs. */
export const name = 'tar-split';

/** Reads the bytes as a tar-split, and writes the tar-split of the bytes as a tar. */
export function run(bytes: Uint8Array): void {
  const whole = attempt(() => read([bytes]));
  const pieces = attempt(() =>
    read([bytes.subarray(0, 3), bytes.subarray(3, 50), bytes.subarray(50)]),
  );
  assert.deepEqual(pieces, whole);
  if (whole !== undefined) {
    const lines = whole.map((record, at) => encodeTarSplitRecord(record, at)).join('');
    assert.deepEqual(read([Buffer.from(lines)]), whole);
  }
  attempt(() => splitTar(bytes));
}

/** A tar-split and a tar. */
export function seeds(): readonly Uint8Array[] {
  const tar = testTar([
    { name: 'pax', flag: 'x', content: testPaxRecord('mtime', '1.5') },
    { name: 'file', content: 'some content' },
    { name: 'link', flag: '2', link: 'file' },
  ]);
  return [splitTar(tar), tar];
}

/** The bytes of a tar come back from segments and contents. */
function splitTar(tar: Uint8Array): Uint8Array {
  const writer = new TarSplitWriter();
  const lines = Buffer.concat([writer.push(tar), writer.end()]);
  let length = 0;
  for (const record of read([lines])) {
    length += record.kind === 'segment' ? record.bytes.length : record.sizeBytes;
  }
  assert.equal(length, tar.length);
  return lines;
}

function read(pieces: readonly Uint8Array[]): TarSplitRecord[] {
  const reader = new TarSplitReader();
  return [...pieces.flatMap((piece) => [...reader.push(piece)]), ...reader.end()];
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
