import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { hasCode, isOnecopyError } from '#base/errors';
import type { EchoTask } from '../../../test/host/echo-worker.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { createRing, RingReader, RingWriter } from './ring.ts';
import { startWorker, type WorkerOptions } from './worker.ts';

const MODULE = new URL('../../../test/host/echo-worker.ts', import.meta.url);

function start(task: EchoTask, options: WorkerOptions<string> = {}) {
  return startWorker<EchoTask, string, string, number>(MODULE, task, options);
}

describe('startWorker', () => {
  it('passes on a typed error with its class, code, details, hint and cause', async () => {
    await using worker = start({ do: 'fail' });
    const error = await worker.done.catch((reason: unknown) => reason);
    assert.ok(hasCode(error, 'SYSCALL_FAILED'));
    assert.equal(error.constructor.name, 'HostError');
    assert.equal(error.message, 'Cannot open "x": ENOENT');
    assert.deepEqual(error.details, { errno: 'ENOENT', syscall: 'openat', target: 'x' });
    assert.equal(error.hint, 'Look elsewhere');
    assert.ok(error.cause instanceof Error && error.cause.message === 'below');
    assert.match(error.stack ?? '', /echo-worker/);
  });

  it('reports an error thrown outside the work function as WORKER_FAILED', async () => {
    await using worker = start({ do: 'throw late' });
    await assert.rejects(worker.done, (error) => {
      assert.ok(hasCode(error, 'WORKER_FAILED'));
      return error.cause instanceof Error && error.cause.message === 'outside the promise';
    });
  });

  it('reports a terminated worker as WORKER_FAILED', async () => {
    const worker = start({ do: 'spin' });
    await worker[Symbol.asyncDispose]();
    await assert.rejects(worker.done, (error) => hasCode(error, 'WORKER_FAILED'));
  });

  it('refuses a module that does not exist', () => {
    assert.throws(
      () => startWorker(new URL('./no-such-worker.ts', import.meta.url), null),
      (error) => hasCode(error, 'WORKER_FAILED'),
    );
  });

  it('starts the bundled module, in the same folder or one above, if there is no TypeScript file', async () => {
    using temp = makeTempDir();
    for (const [folder, answer] of [
      ['', 1],
      ['below/', 2],
    ] as const) {
      const text = `import { parentPort } from 'node:worker_threads';
        parentPort.postMessage({ kind: 'result', result: ${answer} });`;
      writeFileSync(`${temp.path}/twin-${answer}.mjs.js`, text);
      const module = pathToFileURL(`${temp.path}/${folder}twin-${answer}.mjs.ts`);
      await using worker = startWorker<null, never, never, number>(module, null);
      assert.equal(await worker.done, answer);
    }
  });

  it('passes messages both ways in order', async () => {
    const received: string[] = [];
    await using worker = start({ do: 'echo' }, { onMessage: (message) => received.push(message) });
    for (const message of ['a', 'b', 'stop']) worker.post(message);
    assert.equal(await worker.done, 0);
    assert.deepEqual(received, ['echo a', 'echo b']);
  });

  it('lets started work end by itself after an abort', async () => {
    const controller = new AbortController();
    const { promise, resolve } = Promise.withResolvers<string>();
    const options = { signal: controller.signal, onMessage: resolve };
    await using worker = start({ do: 'spin' }, options);
    await promise;
    controller.abort(new Error('enough'));
    // This worker stops cleanly when cancelled, and returns an ordinary result.
    assert.equal(await worker.done, 1);
  });

  it('ends a thread that has not started its work, with the reason of the signal', async () => {
    const controller = new AbortController();
    let hasBegun = false;
    const onMessage = () => {
      hasBegun = true;
    };
    await using worker = start({ do: 'spin' }, { signal: controller.signal, onMessage });
    controller.abort(new Error('enough'));
    await assert.rejects(worker.done, /enough/);
    assert.equal(hasBegun, false);
    assert.throws(() => start({ do: 'spin' }, { signal: controller.signal }), /enough/);
  });
});

describe('a ring between threads', () => {
  it('transfers every byte from the main thread to a worker', async () => {
    const ring = createRing(4096);
    await using worker = start({ do: 'sum', ring });
    const writer = new RingWriter(ring);
    let expected = 0;
    for (let index = 0; index < 500; index += 1) {
      const piece = new Uint8Array((index * 37) % 9000).fill(index);
      expected += piece.length * (index % 256);
      assert.ok(await writer.writeAsync(piece));
    }
    writer.end();
    assert.equal(await worker.done, expected);
  });

  it('transfers bytes written into reserved memory, which ends where the ring wraps', async () => {
    const ring = createRing(4096);
    const writer = new RingWriter(ring);
    using reader = new RingReader(ring);
    const lengths: number[] = [];
    for (let index = 0; index < 9; index += 1) {
      const room = await writer.reserveAsync(1000);
      assert.ok(room !== undefined);
      lengths.push(room.length);
      room.fill(index);
      assert.ok(await writer.writeAsync(room));
      assert.deepEqual([...(reader.peek() ?? [])], Array(room.length).fill(index));
      reader.release(room.length);
    }
    assert.deepEqual(lengths, [1000, 1000, 1000, 1000, 96, 1000, 1000, 1000, 1000]);
  });

  it('waits until all the reserved length is free, or the reader cancels', async () => {
    const ring = createRing(4096);
    const writer = new RingWriter(ring);
    const reader = new RingReader(ring);
    await writer.writeAsync(new Uint8Array(4000));
    reader.peek();
    reader.release(1000);
    await writer.writeAsync(new Uint8Array(96));
    const waiting = writer.reserveAsync(2000);
    assert.equal(
      await Promise.race([waiting, new Promise((done) => setTimeout(done, 20))]),
      undefined,
    );
    reader.release(1000);
    assert.equal((await waiting)?.length, 2000);
    const never = writer.reserveAsync(4000);
    reader.cancel();
    assert.equal(await never, undefined);
  });

  it('transfers every byte from a worker to the main thread', async () => {
    const ring = createRing(4096);
    await using worker = start({ do: 'produce', ring, pieces: 100, end: true });
    using reader = new RingReader(ring);
    const seen: number[] = [];
    for (;;) {
      const piece = await reader.peekAsync();
      if (piece === undefined) break;
      seen.push(...piece);
      reader.release(piece.length);
    }
    assert.equal(await worker.done, 100);
    assert.equal(seen.length, 100_000);
    assert.ok(seen.every((byte, index) => byte === Math.floor(index / 1000)));
  });

  it('stops a waiting producer when the consumer cancels', async () => {
    const ring = createRing(4096);
    await using worker = start({ do: 'produce', ring, pieces: 1000, end: true });
    const reader = new RingReader(ring);
    await reader.peekAsync();
    reader.cancel();
    assert.ok((await worker.done) < 10);
  });

  it('fails the consumer if the producer stops before the end', async () => {
    const ring = createRing(4096);
    await using worker = start({ do: 'produce', ring, pieces: 1, end: false });
    await worker.done;
    using reader = new RingReader(ring);
    assert.equal(reader.read(new Uint8Array(1000)), 1000);
    assert.throws(() => reader.peek(), /before the end of the stream/);
  });

  it('keeps the class of a producer error with oversized details', () => {
    const ring = createRing(4096);
    new RingWriter(ring).fail(new RangeError('x'.repeat(100_000)));
    const error = (() => {
      try {
        new RingReader(ring).peek();
      } catch (reason) {
        return reason;
      }
      return undefined;
    })();
    assert.ok(error instanceof Error && !isOnecopyError(error));
    assert.equal(error.name, 'RangeError');
    assert.equal(error.message, 'x'.repeat(2000));
  });
});
