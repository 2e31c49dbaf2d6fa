import type { ByteString } from '#base/bytes';
import type { Dir } from '#host';
import { FAN_OUT, OBJECTS } from '../layout.ts';
import { openFanOut } from './object-list.ts';

/** About how much the objects of a repository are. */
export interface ObjectSample {
  readonly count: number;
  readonly sizeBytes: number;
}

/** Objects that are looked at: enough for a mean, few enough to take no time. */
const SAMPLE_OBJECTS = 4000;
/** Step between fan-out directories that are looked at: odd, so that all are reached. */
const STEP = 97;

/**
 * Estimates number and size of the objects from some of the fan-out directories, among which objects are spread evenly by their digests;
 * exact in a repository of a few thousand. Bounded in time whatever the repository holds.
 * @throws HostError SYSCALL_FAILED
 */
export function sampleObjects(root: Dir): ObjectSample {
  using objects = root.tryOpenDir(OBJECTS, { noFollow: true });
  let count = 0;
  let sizeBytes = 0;
  let directories = 0;
  while (directories < FAN_OUT.length && count < SAMPLE_OBJECTS) {
    const fanOut = FAN_OUT[(directories * STEP) % FAN_OUT.length] as string;
    directories += 1;
    using dir = openFanOut(objects, fanOut);
    if (dir === undefined) continue;
    const names: ByteString[] = [];
    dir.visitEntries((bytes, start, end) => {
      names.push(Buffer.from(bytes.subarray(start, end)).toString('latin1') as ByteString);
    });
    for (const name of names) {
      const found = dir.fileSizeOf(name);
      if (found === undefined) continue;
      count += 1;
      sizeBytes += found;
    }
  }
  const scale = FAN_OUT.length / directories;
  return { count: Math.round(count * scale), sizeBytes: Math.round(sizeBytes * scale) };
}
