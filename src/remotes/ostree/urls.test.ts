import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileUrl } from './urls.ts';

for (const [base, path, url] of [
  ['http://h/repo', 'summary', 'http://h/repo/summary'],
  ['http://h/repo//', 'refs/heads/a/b', 'http://h/repo/refs/heads/a/b'],
  ['http://h', 'refs/heads/ünï', 'http://h/refs/heads/%C3%BCn%C3%AF'],
  ['http://h/a%20b', 'deltas/xR/7+a-_b/0', 'http://h/a%20b/deltas/xR/7+a-_b/0'],
  ['http://h/r?token=t', 'config', 'http://h/r/config?token=t'],
  ['http://h/r', 'refs/heads/a%2Fb?c#d', 'http://h/r/refs/heads/a%252Fb%3Fc%23d'],
] as const) {
  test(`${path} of ${base} is at ${url}`, () =>
    assert.equal(fileUrl(new URL(base), path).href, url));
}
