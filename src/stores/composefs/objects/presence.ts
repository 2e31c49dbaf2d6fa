import type { ObjectId } from '#base/digest';
import { objectIdOf } from '#formats/fsverity';
import type { Dir } from '#host';
import { FAN_OUT, OBJECTS } from '../layout.ts';
import { openFanOut } from './object-list.ts';
import { ObjectPrefixes } from './object-prefixes.ts';
import { ObjectNameDecoder } from './object-set.ts';

/** A fan-out directory is read if it holds at most this number of entries for each requested object. */
const ENTRIES_FOR_EACH = 8;
/** First bytes of an id that are kept. */
const PREFIX_BYTES = 8;

/**
 * Which of many objects exist: 1 or 0 for each. It reads the fan-out directories if that costs less than a system call for each object,
 * that is, unless they hold many more objects than requested. A listed regular file is identified by the first eight bytes of its name.
 * @param digests concatenated digests, from the start of a buffer
 * @param ask the answer for one object
 * @throws HostError SYSCALL_FAILED
 */
export function findPresent(
  root: Dir,
  digests: Uint8Array<ArrayBuffer>,
  digestBytes: number,
  ask: (id: ObjectId) => boolean,
): Uint8Array {
  const present = new Uint8Array(digests.length / digestBytes);
  const words = new Int32Array(digests.buffer, digests.byteOffset, digests.length / 4);
  const listed = listPrefixes(root, digestBytes, present.length);
  for (let index = 0; index < present.length; index += 1) {
    const start = index * digestBytes;
    const isListed = listed.hasWords(words[start / 4] as number, words[start / 4 + 1] as number);
    // Objects that no directory lists as a regular file are queried individually.
    const isThere = isListed || ask(objectIdOf(digests.subarray(start, start + digestBytes)));
    present[index] = isThere ? 1 : 0;
  }
  return present;
}

function listPrefixes(root: Dir, digestBytes: number, wanted: number): ObjectPrefixes {
  const prefixes = new ObjectPrefixes(digestBytes);
  const decoder = new ObjectNameDecoder(digestBytes);
  const words = new Int32Array(decoder.words.buffer);
  const entriesMax = (ENTRIES_FOR_EACH * wanted) / FAN_OUT.length;
  for (const [number, fanOut] of FAN_OUT.entries()) {
    using dir = openFanOut(root, `${OBJECTS}/${fanOut}`);
    let entries = 0;
    dir?.visitEntries((bytes, start, end, type) => {
      entries += 1;
      if (type === 'file' && decoder.decodePrefix(number, bytes, start, end, PREFIX_BYTES)) {
        prefixes.addWords(words[0] as number, words[1] as number);
      }
    });
    // Digests are distributed evenly, so one directory is representative.
    if (entries > entriesMax) break;
  }
  return prefixes;
}
