import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { tryWay } from '../support/registry-series.ts';

// All verbs over all ways are tried by `npm run prove -- registry`.
test("pulls and copies through a CDN with expiring links give skopeo's bytes, and transfer no more than planned", async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo', 'tool:nginx')) return;
  const way = 'a CDN on another host with links that expire';
  assert.deepEqual((await tryWay(way, ['copy'])).wrong, []);
});
