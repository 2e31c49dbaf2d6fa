/** A made-up but realistic tree for the benches: many small files, few large ones, half-compressible, always the same. */
import { byteStringFromText } from '#base/bytes';
import type { TarMemberSource } from '#formats/tar';

/** Size of a corpus. */
export interface CorpusShape {
  readonly files: number;
  /** Mean size of a file, in bytes. */
  readonly meanBytes: number;
  readonly seed: number;
}

/** The corpus of the pull bench: about 900 MB of tar in 60,000 files. */
export const PULL_CORPUS: CorpusShape = { files: 60_000, meanBytes: 15_000, seed: 1 };
/** The same in small, to try the bench itself. */
export const QUICK_CORPUS: CorpusShape = { files: 4_000, meanBytes: 8_000, seed: 1 };

const POOL_BYTES = 8 << 20;
const FILES_PER_FOLDER = 60;

/** A small generator of numbers in [0, 1): mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Text-like bytes with runs of noise: gzip makes about two fifths of it. */
function createPool(random: () => number): Uint8Array {
  const words = Array.from({ length: 4096 }, () =>
    Array.from({ length: 2 + Math.floor(random() * 9) }, () =>
      String.fromCharCode(97 + Math.floor(random() * 26)),
    ).join(''),
  );
  const pool = Buffer.alloc(POOL_BYTES);
  let at = 0;
  while (at < POOL_BYTES) {
    if (random() < 0.002) {
      for (let left = 1024; left > 0 && at < POOL_BYTES; left -= 1) {
        pool[at++] = Math.floor(random() * 256);
      }
    } else at += pool.write(`${words[Math.floor(random() * random() * 4096)]} `, at, 'latin1');
  }
  return pool;
}

/** The members of a corpus: folders of 60 files below /usr/share/corpus. */
export function* corpusMembers(shape: CorpusShape): Generator<TarMemberSource> {
  const random = createRandom(shape.seed);
  const pool = createPool(random);
  const directory = (path: string): TarMemberSource => ({
    member: {
      type: 'directory',
      path: byteStringFromText(path),
      mode: 0o755,
      mtimeSec: 1_700_000_000n,
    },
  });
  for (const path of ['/', '/usr', '/usr/share', '/usr/share/corpus']) yield directory(path);
  for (let index = 0; index < shape.files; index += 1) {
    const folder = `/usr/share/corpus/d${Math.floor(index / FILES_PER_FOLDER)}`;
    if (index % FILES_PER_FOLDER === 0) yield directory(folder);
    const sizeBytes = fileBytes(random(), shape.meanBytes);
    const from = Math.floor(random() * (POOL_BYTES - 4096));
    yield {
      member: {
        type: 'file',
        path: byteStringFromText(`${folder}/f${index}.txt`),
        mode: 0o644,
        mtimeSec: 1_700_000_000n + BigInt(index),
        sizeBytes,
      },
      content: content(pool, index, from, sizeBytes),
    };
  }
}

/** Most files are small: the size grows with the cube of a uniform number, so that its mean is `mean`. */
function fileBytes(uniform: number, mean: number): number {
  return 16 + Math.floor(4 * mean * uniform ** 3);
}

function* content(
  pool: Uint8Array,
  index: number,
  from: number,
  sizeBytes: number,
): Generator<Uint8Array> {
  const head = Buffer.from(`file ${index}\n`.padEnd(16));
  yield head;
  for (let left = sizeBytes - head.length, at = from; left > 0; at = 0) {
    const piece = pool.subarray(at, at + left);
    yield piece;
    left -= piece.length;
  }
}
