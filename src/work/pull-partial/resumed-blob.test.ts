import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransportError } from '#base/errors';
import type { BlobPieces, ByteRange, RemoteBlob } from '#base/flow';
import { initRepository, type Repository } from '#stores/composefs';
import { FakeBlob } from '../../../test/support/fake-blob.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { ResumedBlob } from './resumed-blob.ts';

const BYTES = randomBytes(200_000);

async function withRepository(work: (repository: Repository) => Promise<void>): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await work(open);
}

async function collect(found: BlobPieces, ranges: readonly ByteRange[]): Promise<void> {
  assert.ok(found.kind === 'ranges');
  const blob = Buffer.alloc(BYTES.length);
  for await (const { offset, bytes } of found.pieces) blob.set(bytes, offset);
  for (const { offset, length } of ranges) {
    const wanted = BYTES.subarray(offset, offset + length);
    assert.ok(blob.subarray(offset, offset + length).equals(wanted), `range at ${offset}`);
  }
}

const RANGES = [
  { offset: 1000, length: 50_000 },
  { offset: 60_000, length: 10 },
  { offset: 100_000, length: 99_000 },
];

test('ranges that arrived are not requested again, in this pull or the next, wherever each was interrupted', async () => {
  await withRepository(async (repository) => {
    const server = new FakeBlob(BYTES);
    {
      using partial = await repository.partials.open(server.digest);
      await using blob = new ResumedBlob(server, partial);
      const found = await blob.readRanges(RANGES);
      assert.ok(found.kind === 'ranges');
      let pieces = 0;
      for await (const _ of found.pieces) {
        pieces += 1;
        if (pieces === 10) break;
      }
      assert.equal(server.requests.length, 1);
    }
    using partial = await repository.partials.open(server.digest);
    await using blob = new ResumedBlob(server, partial);
    const { heldBytes } = blob;
    assert.ok(heldBytes >= 27_000, `${heldBytes} bytes`);
    await collect(await blob.readRanges(RANGES), RANGES);
    assert.equal(server.requests[1]?.[0]?.offset, 1000 + heldBytes);
    assert.equal(blob.counts.fetchedBytes, 149_010 - heldBytes);
    await collect(await blob.readRanges(RANGES), RANGES);
    assert.equal(server.requests.length, 2);
    blob.forget({ offset: 60_003, length: 4 });
    await collect(await blob.readRanges(RANGES), RANGES);
    assert.deepEqual(server.requests[2], [{ offset: 60_003, length: 4 }]);
  });
});

/** A server whose behaviour changes: `answers` lists the response to each request for ranges. */
class Fickle implements RemoteBlob {
  readonly digest;
  readonly sizeBytes = BYTES.length;
  wholes = 0;
  readonly traffic = { requests: 0, bodyBytes: 0, skippedBytes: 0 };
  readonly #answers: ('ranges' | 'whole' | 'refused' | 'whole in the middle')[];
  readonly #server = new FakeBlob(BYTES);

  constructor(...answers: ('ranges' | 'whole' | 'refused' | 'whole in the middle')[]) {
    this.digest = this.#server.digest;
    this.#answers = answers;
  }

  read(options?: { offset?: number }) {
    this.wholes += 1;
    return this.#server.read(options);
  }

  async readRanges(ranges: readonly ByteRange[]): Promise<BlobPieces> {
    const answer = this.#answers.shift() ?? assert.fail('no more requests are expected');
    if (answer === 'refused') throw refusal();
    if (answer === 'whole') return { kind: 'whole', bytes: this.read() };
    if (answer === 'ranges') return await this.#server.readRanges(ranges);
    return { kind: 'ranges', pieces: this.#middle(ranges) };
  }

  async *#middle(ranges: readonly ByteRange[]) {
    const first = await this.#server.readRanges(ranges.slice(0, 1));
    assert.ok(first.kind === 'ranges');
    yield* first.pieces;
    let offset = 0;
    for await (const bytes of this.read()) {
      yield { offset, bytes };
      offset += bytes.length;
    }
  }
}

function refusal(): TransportError {
  const details = { url: '', expected: 'a range', found: '416', retryable: false };
  return new TransportError('RANGE_MISMATCH', 'Cannot fetch range', details);
}

for (const turn of ['whole', 'refused', 'whole in the middle'] as const) {
  test(`after a server turns to "${turn}", one download of the blob serves all ranges, in any order`, async () => {
    await withRepository(async (repository) => {
      const server = new Fickle('ranges', turn);
      using partial = await repository.partials.open(server.digest);
      await using blob = new ResumedBlob(server, partial);
      await collect(await blob.readRanges(RANGES.slice(0, 1)), RANGES.slice(0, 1));
      blob.requireRanges();
      const late = [...RANGES.slice(1), { offset: 199_500, length: 500 }];
      await collect(await blob.readRanges(late), late);
      const early = [{ offset: 52_000, length: 300 }];
      await collect(await blob.readRanges(early), early);
      assert.equal(server.wholes, 1);
      assert.equal(blob.counts.wholes, 1);
    });
  });
}
