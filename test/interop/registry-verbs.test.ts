import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { tryWay } from '../support/registry-series.ts';

// All verbs over all ways are tried by `npm run prove -- registry`.
test('what is pulled and copied through a CDN whose links expire is what skopeo sent, and no more comes than planned', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo', 'tool:nginx')) return;
  const way = 'a CDN on another host with links that expire';
  assert.deepEqual((await tryWay(way, ['copy'])).wrong, []);
});
