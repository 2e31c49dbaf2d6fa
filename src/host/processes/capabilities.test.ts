import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { hasProcessCapability } from '#host';

test('the capabilities read for this process equal those in /proc', () => {
  const listed = spawnSync('grep', ['CapEff', '/proc/self/status'], { encoding: 'utf8' }).stdout;
  const bits = BigInt(`0x${listed.trim().split(/\s+/)[1]}`);
  assert.equal(hasProcessCapability('dacOverride'), (bits & 2n) !== 0n);
  assert.equal(hasProcessCapability('sysAdmin'), ((bits >> 21n) & 1n) !== 0n);
});
