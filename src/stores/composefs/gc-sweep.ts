import type { ByteString } from '#base/bytes';
import { displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ALGORITHMS } from '#formats/fsverity';
import type { Finding } from './findings.ts';
import { FAN_OUT, OBJECTS } from './layout.ts';
import { ObjectNameDecoder, ObjectSet } from './object-set.ts';
import type { Repository } from './repository.ts';

/** An object that nothing reaches, and where it lies. */
export interface SweptObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  /** Number of its inode: what lies side by side is removed at half the cost. */
  readonly inode: number;
}

/** What a look at all objects found. */
export interface Sweep {
  /** What nothing reaches, in order of the fan-out directories. */
  readonly objects: readonly SweptObject[];
  /** The ids of `objects`. */
  readonly garbage: ObjectSet;
  readonly kept: number;
  readonly findings: readonly Finding[];
}

/** Looks at every object and finds those that are not live. */
export function sweepObjects(
  { root, algorithm }: Repository,
  live: ObjectSet,
  signal: AbortSignal | undefined,
): Sweep {
  const { digestBytes } = ALGORITHMS[algorithm];
  const objects: SweptObject[] = [];
  const findings: Finding[] = [];
  const garbage = new ObjectSet(digestBytes);
  const decoder = new ObjectNameDecoder(digestBytes);
  let kept = 0;
  for (const [number, fanOut] of FAN_OUT.entries()) {
    signal?.throwIfAborted();
    using dir = root.tryOpenDir(`${OBJECTS}/${fanOut}`, { noFollow: true });
    const others: Unreached[] = [];
    dir?.visitEntries((bytes, start, end, _type, inode) => {
      const isName = decoder.decode(number, bytes, start, end);
      if (isName && live.indexOfWords(decoder.words, 0) >= 0) {
        kept += 1;
        return;
      }
      const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
      others.push({ name: name.toString('latin1') as ByteString, isName, inode });
    });
    for (const { name, isName, inode } of others) {
      const sizeBytes = isName ? dir?.fileSizeOf(name) : undefined;
      if (sizeBytes === undefined) {
        findings.push(unknownFile(`${OBJECTS}/${fanOut}/${displayText(name)}`));
        continue;
      }
      const id = `${fanOut}${name}` as ObjectId;
      garbage.add(id);
      objects.push({ id, sizeBytes, inode });
    }
  }
  return { objects, garbage, kept, findings };
}

/** An entry that is no live object. */
interface Unreached {
  readonly name: ByteString;
  /** Whether objects have such names. */
  readonly isName: boolean;
  readonly inode: number;
}

function unknownFile(path: string): Finding {
  return { kind: 'object-invalid-name', path, detail: 'it is left alone' };
}
