import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrnoKeeper } from './errno-keeper.ts';

const [ENOENT, EAGAIN] = [2, 11];

test('a wrapped call keeps its parameters, its result and its errno', () => {
  for (let count = 1; count <= 7; count += 1) {
    const seen: unknown[] = [];
    let result = 7;
    const keeper = new ErrnoKeeper(() => ENOENT);
    const wrapped = keeper.wrap(
      (...parameters) => {
        seen.push(parameters);
        return result;
      },
      count,
      true,
    );
    const parameters = Array.from({ length: count }, (_, at) => at + 1);
    equal(wrapped(...parameters), 7);
    equal(keeper.errno, 0);
    result = -1;
    equal(wrapped(...parameters), -1);
    equal(keeper.errno, ENOENT);
    deepEqual(seen, [parameters, parameters]);
  }
});

test('a call that fails with EAGAIN is repeated, and the last result and errno are returned', () => {
  for (let count = 1; count <= 7; count += 1) {
    for (const { errnos, results, expected } of [
      { errnos: [EAGAIN, ENOENT], results: [-1, -1], expected: { result: -1, errno: ENOENT } },
      { errnos: [EAGAIN, EAGAIN], results: [-1, -1, 5], expected: { result: 5, errno: EAGAIN } },
      {
        errnos: [EAGAIN, EAGAIN, EAGAIN, EAGAIN],
        results: [-1, -1, -1, -1],
        expected: { result: -1, errno: EAGAIN },
      },
    ]) {
      let calls = 0;
      let reads = 0;
      const keeper = new ErrnoKeeper(() => errnos[reads++] ?? 0);
      const wrapped = keeper.wrap(() => results[calls++] ?? -2, count, true);
      equal(wrapped(...Array.from({ length: count }, () => 1)), expected.result);
      equal(keeper.errno, expected.errno);
      deepEqual([calls, reads], [results.length, errnos.length]);
    }
  }
});

test('a call marked as not repeatable is made once, whatever the errno', () => {
  for (let count = 1; count <= 7; count += 1) {
    let calls = 0;
    const keeper = new ErrnoKeeper(() => EAGAIN);
    const wrapped = keeper.wrap(
      () => {
        calls += 1;
        return -1;
      },
      count,
      false,
    );
    equal(wrapped(...Array.from({ length: count }, () => 1)), -1);
    deepEqual([calls, keeper.errno], [1, EAGAIN]);
  }
});
