import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor, proxyFromEnvironment } from './proxy.ts';
import { redactUrl } from './redact.ts';
import { DEFAULT_RETRY, isRetryableStatus, parseRetryAfter, retryDelayMs } from './retry.ts';

test('waits are random below a bound that doubles up to the maximum', () => {
  const longest = (next: number) => retryDelayMs(DEFAULT_RETRY, next, undefined, () => 1);
  assert.deepEqual([2, 3, 4, 5, 6, 12].map(longest), [250, 500, 1000, 2000, 4000, 30_000]);
  assert.equal(
    retryDelayMs(DEFAULT_RETRY, 2, undefined, () => 0),
    0,
  );
  assert.equal(retryDelayMs(DEFAULT_RETRY, 2, 7000), 7000);
});

test('Retry-After is read as seconds or as a date, and nothing else', () => {
  const now = Date.UTC(2026, 0, 1);
  assert.equal(parseRetryAfter('120', now), 120_000);
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:05 GMT', now), 5000);
  assert.equal(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
  for (const value of [undefined, '', '-1', '1.5', 'soon', '99999999999999']) {
    assert.equal(parseRetryAfter(value, now), undefined);
  }
});

test('only statuses of overload and server failure are retried', () => {
  const worth = [200, 304, 400, 401, 403, 404, 408, 410, 425, 429, 500, 501, 502, 503, 504];
  assert.deepEqual(worth.filter(isRetryableStatus), [408, 425, 429, 500, 502, 503, 504]);
});

for (const [url, redacted] of [
  ['https://user:pw@host:8443/a/b?token=t#frag', 'https://host:8443/a/b?…'],
  ['http://host/a', 'http://host/a'],
  ['user:pw@host/path?x=y', 'host/path?…'],
] as const) {
  test(`${url} is shown as ${redacted}`, () => assert.equal(redactUrl(url), redacted));
}

test('proxies are read from the environment, lower case first, and not from HTTP_PROXY under CGI', () => {
  assert.deepEqual(
    proxyFromEnvironment({ http_proxy: 'http://a', HTTP_PROXY: 'http://b', NO_PROXY: 'x' }),
    { httpProxy: 'http://a', httpsProxy: undefined, noProxy: 'x' },
  );
  assert.equal(
    proxyFromEnvironment({ HTTP_PROXY: 'http://b', REQUEST_METHOD: 'GET' }).httpProxy,
    undefined,
  );
  assert.equal(proxyFromEnvironment({ ALL_PROXY: 'http://c' }).httpsProxy, 'http://c');
});

for (const [noProxy, url, direct] of [
  ['*', 'http://a.example/', true],
  ['example', 'http://a.example/', true],
  ['.example', 'http://a.example/', true],
  ['*.example', 'http://a.example/', true],
  ['example', 'http://notexample/', false],
  ['a.example:8080', 'http://a.example/', false],
  ['a.example:80', 'http://a.example/', true],
  ['localhost, [::1]', 'http://[::1]:99/', true],
  ['', 'http://a.example/', false],
] as const) {
  test(`no_proxy "${noProxy}" asks ${url} ${direct ? 'directly' : 'through the proxy'}`, () => {
    const proxy = proxyFor({ httpProxy: 'http://p', noProxy }, new URL(url));
    assert.equal(proxy, direct ? undefined : 'http://p');
  });
}
