import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '#base/bytes';
import type { DiffId, ObjectId } from '#base/digest';
import { atOnce } from '#base/flow';
import type { StoredTarEntry, TarEntry } from '#formats/tar';
import { encodeDumpfile } from '#formats/tree';
import { StackFeed } from './stack-feed.ts';

function entry(path: string, type: TarEntry['type'], text = ''): StoredTarEntry {
  return {
    entry: {
      type,
      typeFlag: 0,
      path: path as ByteString,
      writtenPath: path as ByteString,
      linkTarget: '' as ByteString,
      sizeBytes: text.length,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeSec: 0n,
      mtimeNsec: 0,
      rdevMajor: 0,
      rdevMinor: 0,
      xattrs: new Map(),
      sparse: undefined,
      difference: undefined,
      offset: 0,
    },
    content: { kind: 'inline', bytes: Buffer.from(text) },
  };
}

/** Each layer overwrites, deletes and adds something, so that their order shows. */
const LAYERS: readonly StoredTarEntry[][] = Array.from({ length: 5 }, (_, layer) => [
  entry('/usr', 'directory'),
  entry('/usr/last', 'file', `layer ${layer}`),
  entry(`/usr/only-${layer}`, 'file', 'x'),
  ...(layer % 2 === 1 ? [entry(`/usr/.wh.only-${layer - 1}`, 'file')] : []),
]);
const NAMES = LAYERS.map((_, layer) => `sha256:${layer}` as DiffId);

function dump(feed: StackFeed): string {
  const replay = (id: ObjectId) => LAYERS[Number(id)] ?? [];
  const tree = atOnce(feed.finish((position) => String(position) as ObjectId, replay));
  return Buffer.from(encodeDumpfile(tree)).toString();
}

test('layers give one tree, in any order and mixture of imported, kept and read-back layers', () => {
  const expected = dump(new StackFeed(NAMES));
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4]);
  fc.assert(
    fc.property(order, fc.infiniteStream(fc.nat(4)), fc.nat(8), (imported, choices, keptMax) => {
      const feed = new StackFeed(NAMES, { keptMax });
      const running = imported.map((position) => ({
        position,
        listen: feed.listener(position),
        left: [...(LAYERS[position] ?? [])],
      }));
      // Entries of several layers come interleaved.
      while (running.length > 0) {
        const at = (choices.next().value ?? 0) % running.length;
        const layer = running[at];
        const next = layer?.left.shift();
        if (layer !== undefined && next !== undefined) layer.listen(next.entry, next.content);
        else {
          feed.complete(layer?.position ?? 0);
          running.splice(at, 1);
        }
      }
      assert.equal(dump(feed), expected);
    }),
    { numRuns: 200 },
  );
});
