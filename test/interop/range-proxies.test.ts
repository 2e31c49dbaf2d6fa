import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../support/capability.ts';
import { faultsOf, ProxySeries } from '../support/range-proxies.ts';

const layout = (image: string) =>
  `oci:${fileURLToPath(new URL(`../golden/chunked/oci/${image}`, import.meta.url))}:latest`;

test('updates from docker-registry, alone and behind nginx, fetch what was planned', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:nginx')) return;
  await using series = await ProxySeries.start(layout('zc-v1'), layout('zc-v2'));
  const expected = await series.expected();
  // All others are tried by `npm run prove -- range-proxies`.
  for (const behaviour of ['docker-registry alone', 'ECR: the whole blob to several ranges']) {
    assert.deepEqual(faultsOf(await series.update(behaviour), expected), []);
  }
});
