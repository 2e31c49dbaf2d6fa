import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { initRepository } from '#work/repository';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { Budget, HANDLES_MAX, Turns } from './limits.ts';
import { OpenRepositories, type Use } from './repositories.ts';
import { serve } from './serve.ts';

const never = new AbortController().signal;

test('a service needs a socket', async () => {
  const service = { vendor: 'v', product: 'p', version: '1', url: 'u', interfaces: [] };
  const options = { address: undefined, signal: never, onFailure: () => {} };
  await assert.rejects(serve(service, options), { code: 'SOCKET_NOT_FOUND' });
});

test('a budget refuses a request that exceeds what is left', () => {
  const budget = new Budget(3);
  assert.deepEqual([budget.take(2), budget.take(2), budget.take(1)], [true, false, true]);
  budget.give(3);
  assert.equal(budget.take(3), true);
});

test('turns are taken in order, and a cancelled waiter does not use up a turn', async () => {
  const turns = new Turns(1);
  const first = await turns.take(never);
  const leaving = new AbortController();
  const left = assert.rejects(turns.take(leaving.signal), /left/);
  const second = turns.take(never);
  const third = turns.take(never);
  leaving.abort(new Error('left'));
  await left;
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  (await turns.take(never))[Symbol.dispose]();
});

/** Records the order in which uses of a repository are admitted. */
class Log {
  readonly admitted: string[] = [];
  readonly #repositories = new OpenRepositories({});

  async enter(name: string, use: Use, signal = never): Promise<() => void> {
    const pass = await this.#repositories.gate('/r', use, signal);
    this.admitted.push(name);
    return () => pass[Symbol.dispose]();
  }
}

test('garbage collection waits for running pulls; later pulls wait for it, short calls only while it runs', async () => {
  const log = new Log();
  const endPull = await log.enter('pull', 'long');
  const collected = log.enter('gc', 'alone');
  const later = log.enter('later pull', 'long');
  (await log.enter('list', 'short'))();
  assert.deepEqual(log.admitted, ['pull', 'list']);
  endPull();
  const endGc = await collected;
  const waiting = log.enter('list during gc', 'short');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log.admitted, ['pull', 'list', 'gc']);
  endGc();
  (await later)();
  (await waiting)();
  assert.equal(log.admitted.length, 5);
});

test('a cancelled garbage collection admits the calls that waited behind it', async () => {
  const log = new Log();
  const endPull = await log.enter('pull', 'long');
  const stop = new AbortController();
  const refused = assert.rejects(log.enter('gc', 'alone', stop.signal), /gone/);
  const behind = log.enter('behind', 'long');
  stop.abort(new Error('gone'));
  await refused;
  (await behind)();
  endPull();
});

test('no handle is issued twice, and a full table drops the least recently used one', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository[
    Symbol.dispose
  ]();
  const repositories = new OpenRepositories({});
  const open = async () => (await repositories.open(path, never, () => 0)).handle;
  const [first, second] = [await open(), await open()];
  assert.deepEqual([first, second], [1, 2]);
  assert.equal(repositories.close(2), true);
  assert.equal(repositories.close(2), false);
  const third = await open();
  assert.equal(third, 3);
  for (let count = 2; count < HANDLES_MAX; count += 1) await open();
  assert.equal(repositories.pathOf(1), path);
  await open();
  assert.equal(repositories.pathOf(1), path);
  assert.equal(repositories.pathOf(3), undefined);
});
