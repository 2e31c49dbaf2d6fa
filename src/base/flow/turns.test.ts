import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { drained, gather } from './index.ts';

test('gather keeps the order, and throws the error of the items or the reason of the signal', async () => {
  deepEqual(await gather([3, 1, 2], (one) => one * 2), [6, 2, 4]);
  deepEqual(await gather([], String), []);
  const failing = function* () {
    yield 1;
    throw new Error('damage');
  };
  await rejects(gather(failing(), String), /damage/);
  const gone = AbortSignal.abort(new Error('stop'));
  await rejects(
    gather([1], () => ok(false), { signal: gone }),
    /stop/,
  );
});

test('endless work stops within one turn after the signal aborts, and closes its items', async () => {
  const abort = new AbortController();
  let taken = 0;
  let takenAtAbort = 0;
  let isClosed = false;
  const endless = function* () {
    try {
      for (;;) yield taken;
    } finally {
      isClosed = true;
    }
  };
  setTimeout(() => {
    takenAtAbort = taken;
    abort.abort(new Error('stop'));
  }, 30);
  const count = () => {
    taken += 1;
    // A bound, so that a loop that never yields fails this test and does not hang it.
    if (taken > 1e8) throw new Error('events never had a turn');
  };
  const slow = () => {
    const until = performance.now() + 0.01;
    while (performance.now() < until);
    count();
  };
  await rejects(gather(endless(), slow, { signal: abort.signal }), /stop/);
  equal(isClosed, true);
  ok(takenAtAbort > 0);
  equal(taken, takenAtAbort, 'nothing more after the signal');
});

test('drained resolves when the stream drains or closes, and removes its listeners', async () => {
  for (const event of ['drain', 'close']) {
    const stream = new EventEmitter();
    const waiting = drained(stream);
    stream.emit(event);
    await waiting;
    deepEqual(stream.eventNames(), []);
  }
});
