import type { ByteString } from '#base/bytes';
import { displayText } from '#base/bytes';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import { ALGORITHMS } from '#formats/fsverity';
import type { Finding } from '../check/findings.ts';
import { FAN_OUT, OBJECTS } from '../layout.ts';
import { ObjectNameDecoder, ObjectSet } from '../objects/object-set.ts';
import type { Repository } from '../repository/repository.ts';
import { KEY_BYTES, type ReachedObjects } from './reached-objects.ts';

/** Unreachable objects, in order of the fan-out directories. */
export interface Garbage {
  readonly garbage: ObjectSet;
  /** Inode number of each: removing neighbours together halves the cost. */
  readonly inodes: readonly number[];
}

/** Result of a scan of all objects. */
export interface Sweep extends Garbage {
  readonly kept: number;
  readonly findings: readonly Finding[];
}

/** Scans all objects and finds those that are not live. @throws HostError SYSCALL_FAILED; the signal's reason */
export async function sweepObjects(
  repository: Repository,
  live: ReachedObjects,
  options: Pick<OperationOptions, 'signal'>,
): Promise<Sweep> {
  return await inTurns(sweep(repository, live), options);
}

function* sweep({ root, algorithm }: Repository, live: ReachedObjects): Steps<Sweep> {
  const { digestBytes } = ALGORITHMS[algorithm];
  const findings: Finding[] = [];
  const garbage = new ObjectSet(digestBytes);
  const inodes: number[] = [];
  const decoder = new ObjectNameDecoder(digestBytes);
  let kept = 0;
  for (const [number, fanOut] of FAN_OUT.entries()) {
    yield;
    using dir = root.tryOpenDir(`${OBJECTS}/${fanOut}`, { noFollow: true });
    dir?.visitEntries((bytes, start, end, type, inode) => {
      // Nearly every object is live, which its first bytes show: the whole name is decoded only for the others.
      const mayBeLive = decoder.decodePrefix(number, bytes, start, end, KEY_BYTES);
      if (mayBeLive && live.hasWords(decoder.words, 0)) {
        kept += 1;
        return;
      }
      const isName = mayBeLive && decoder.decode(number, bytes, start, end);
      const nameOf = () => Buffer.from(bytes.subarray(start, end)).toString('latin1') as ByteString;
      if (isName && (type === 'file' || dir.fileSizeOf(nameOf()) !== undefined)) {
        garbage.addWords(decoder.words, 0);
        inodes.push(inode);
      } else findings.push(unknownFile(`${OBJECTS}/${fanOut}/${displayText(nameOf())}`));
    });
  }
  return { garbage, inodes, kept, findings };
}

function unknownFile(path: string): Finding {
  return { kind: 'object-invalid-name', path, detail: 'it is left alone' };
}
