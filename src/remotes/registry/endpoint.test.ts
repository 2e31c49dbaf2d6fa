import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityOf, isLoopback } from './endpoint.ts';

test('Docker Hub is asked at its own registry host under each of its names', () => {
  assert.equal(authorityOf({ host: 'docker.io' }), 'registry-1.docker.io');
  assert.equal(authorityOf({ host: 'index.docker.io' }), 'registry-1.docker.io');
  assert.equal(authorityOf({ host: 'reg.test:5000' }), 'reg.test:5000');
});

test('a host is loopback as it is written', () => {
  for (const host of [
    'localhost',
    'localhost:5000',
    '127.0.0.1',
    '127.1.2.3:80',
    '[::1]:5000',
    '[::1]',
  ]) {
    assert.ok(isLoopback({ host }), host);
  }
  for (const host of [
    'reg.test',
    '127.0.0.1.reg.test',
    'localhost.reg.test:1',
    '128.0.0.1',
    '[::2]',
  ]) {
    assert.ok(!isLoopback({ host }), host);
  }
});
