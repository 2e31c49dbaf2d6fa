import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from './limiter.ts';

test('the limit doubles per round trip until the first failure, then grows by one', () => {
  const limiter = new Limiter({ start: 4, min: 2, max: 64 });
  for (let index = 0; index < 4; index++) limiter.onSuccess();
  assert.equal(limiter.limit, 8);
  limiter.onTrouble(1000);
  limiter.onTrouble(1100);
  assert.equal(limiter.limit, 4, 'trouble of one moment counts once');
  for (let index = 0; index < 5; index++) limiter.onSuccess();
  assert.equal(limiter.limit, 5);
  for (let at = 2000; at < 9000; at += 1000) limiter.onTrouble(at);
  assert.equal(limiter.limit, 2);
  for (let index = 0; index < 5000; index++) limiter.onSuccess();
  assert.equal(limiter.limit, 64);
});
