// Invariant: any bytes give a stream whose objects are all found by their ids, or one of our errors; its tree has bounded size.
import assert from 'node:assert/strict';
import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  CommitStream,
  CommitStreamBuilder,
  checkCommitStream,
  treeOfCommit,
  walkCommit,
} from '#formats/ostree';

/** Name of the target and of its folder of inputs. */
export const name = 'commit-stream';

const REFS = ['11', '22', '33'].map((digits) => digits.repeat(32) as ObjectId);

/** Opens the bytes as content of a commit stream with three external objects, and asks it everything. */
export function run(bytes: Uint8Array): void {
  guarded(() => {
    const stream = new CommitStream(bytes, REFS);
    const builder = new CommitStreamBuilder();
    for (const { checksum, data, external } of stream.objects()) {
      assert.deepEqual(stream.find(checksum)?.data, data);
      guarded(() => stream.file(checksum));
      if (external === undefined) builder.addMetadata(checksum, data);
      else builder.addExternalFile(checksum, data, external);
    }
    const again = builder.encode(stream.commit);
    assert.equal(new CommitStream(again.content, again.objectRefs).size, stream.size);
    checkCommitStream(stream, { algorithm: 'sha256' });
    guarded(() => [...walkCommit(stream.commit, (id) => stream.find(id)?.data)]);
    guarded(() => treeOfCommit(stream.commit, stream, { entriesMax: 10_000 }));
  });
}

function guarded(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}
