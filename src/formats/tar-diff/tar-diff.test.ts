import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { applyTarDiff, type OldFile, type OldFiles } from './index.ts';

const OLD = Buffer.from('0123456789'.repeat(50));

const FILES: OldFiles = {
  open(path): OldFile {
    if (path !== 'usr/old') throw new Error(`no ${path}`);
    return {
      sizeBytes: OLD.length,
      // Fewer bytes than requested, as `read` of a file may return.
      read(offset, into) {
        const piece = OLD.subarray(offset, offset + Math.min(into.length, 7));
        into.set(piece);
        return piece.length;
      },
      [Symbol.dispose]() {},
    };
  },
};

type Operation = readonly [code: number, count: number | bigint, bytes?: Uint8Array | string];

function encode(operations: readonly Operation[], magic = 'tardf1\n\0'): Buffer {
  const bytes: number[] = [];
  for (const [code, count, content = ''] of operations) {
    bytes.push(code);
    let left = BigInt(count);
    do {
      const low = Number(left & 0x7fn);
      left >>= 7n;
      bytes.push(left > 0n ? low | 0x80 : low);
    } while (left > 0n);
    bytes.push(...Buffer.from(content));
  }
  return Buffer.concat([Buffer.from(magic), zstdCompressSync(Buffer.from(bytes))]);
}

async function apply(diff: Uint8Array, pieceBytes = 5): Promise<string> {
  const pieces = async function* () {
    for (let at = 0; at < diff.length; at += pieceBytes) yield diff.subarray(at, at + pieceBytes);
  };
  const out: Buffer[] = [];
  for await (const piece of applyTarDiff(pieces(), FILES)) out.push(Buffer.from(piece));
  return Buffer.concat(out).toString('latin1');
}

const OPEN: Operation = [1, 7, 'usr/old'];

test('data is copied from the diff and from files at any offset', async () => {
  const diff = encode([[0, 2, 'ab'], OPEN, [2, 3], [4, 495], [2, 5], [0, 1, 'c'], [4, 0], [2, 1]]);
  assert.equal(await apply(diff), 'ab01256789c0');
  assert.equal(await apply(diff, 1), 'ab01256789c0');
});

test('sums of added data wrap around at 256', async () => {
  const diff = encode([OPEN, [3, 3, Buffer.from([1, 0xff, 0])]]);
  assert.equal(await apply(diff), '102');
});

test('a frame of version 2 inflates with the whole open file as its dictionary, and later operations go on', async () => {
  const frame = Buffer.concat([
    zstdCompressSync(Buffer.from(`${OLD}!`), { dictionary: OLD }),
    Buffer.from('trailing'),
  ]);
  const operations: Operation[] = [OPEN, [4, 9], [5, frame.length, frame], [0, 1, 'z']];
  assert.equal(await apply(encode(operations, 'tardf2\n\0')), `${OLD}!z`);
  await assert.rejects(apply(encode(operations)), { code: 'LAYER_DIFF_INVALID' });
});

const REFUSED: readonly (readonly [name: string, diff: Uint8Array])[] = [
  ['another magic', encode([], 'tardf3\n\0')],
  ['a cut magic', Buffer.from('tardf')],
  ['an unknown operation', encode([[6, 0]])],
  ['copying before a file is open', encode([[2, 1]])],
  ['seeking before a file is open', encode([[4, 1]])],
  ['adding before a file is open', encode([[3, 1, 'x']])],
  ['copying past the end', encode([OPEN, [2, 501]])],
  ['copying behind the end', encode([OPEN, [4, 2 ** 40], [2, 1]])],
  ['data that is cut', encode([[0, 5, 'abc']])],
  ['a path that is cut', encode([[1, 9, 'usr']])],
  ['a path that is too long', encode([[1, 4097, 'x'.repeat(4097)]])],
  ['a path that is no UTF-8', encode([[1, 1, Buffer.from([0xff])]])],
  ['a path that leads up', encode([[1, 10, 'usr/../old']])],
  ['a path that is the root', encode([[1, 1, '/']])],
  ['too much added data', encode([OPEN, [3, (100 << 20) + 1]])],
  ['a frame that is too large', encode([OPEN, [5, 2 ** 33]], 'tardf2\n\0')],
  ['a frame that is none', encode([OPEN, [5, 3, 'xyz']], 'tardf2\n\0')],
  ['a number above the safe integers', encode([[0, 2n ** 60n]])],
  ['a number without an end', encode([[0, 2n ** 70n]])],
];

for (const [name, diff] of REFUSED) {
  test(`a diff with ${name} is refused`, async () => {
    await assert.rejects(apply(diff), (error: { kind?: string }) => error.kind === 'format');
  });
}

test('a diff truncated at any byte is refused or ends at an operation', async () => {
  const whole = encode([[0, 2, 'ab'], OPEN, [2, 3]]);
  for (let end = 0; end < whole.length; end += 1) {
    const cut = await apply(whole.subarray(0, end)).catch(() => 'refused');
    assert.equal(cut, 'refused', `cut at ${end}`);
  }
});
