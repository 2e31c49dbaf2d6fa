import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { classOfAddress, classOfHost, lookupFor, requireReachable } from './address.ts';

const ADDRESSES = {
  '127.0.0.1': 'loopback',
  '127.255.0.1': 'loopback',
  '::1': 'loopback',
  '::ffff:127.0.0.1': 'loopback',
  '169.254.1.2': 'link-local',
  '::ffff:169.254.1.2': 'link-local',
  'fe80::1': 'link-local',
  '169.254.169.254': 'metadata',
  'fd00:ec2::254': 'metadata',
  '100.100.100.200': 'metadata',
  '0.0.0.0': 'unspecified',
  '::': 'unspecified',
  '10.0.0.1': 'elsewhere',
  '192.0.2.1': 'elsewhere',
  '2001:db8::1': 'elsewhere',
} as const;

test('addresses are classified as loopback, link-local, metadata, unspecified or elsewhere', () => {
  for (const [address, found] of Object.entries(ADDRESSES)) {
    assert.equal(classOfAddress(address), found, address);
  }
});

test('a host is classified as a URL parser normalises it', () => {
  const host = (url: string) => classOfHost(new URL(url).hostname);
  assert.equal(host('http://0x7f000001/'), 'loopback');
  assert.equal(host('http://2852039166/'), 'metadata');
  assert.equal(host('http://[::ffff:169.254.169.254]/'), 'metadata');
  assert.equal(host('http://LOCALHOST/'), 'loopback');
  assert.equal(host('http://a.localhost/'), 'loopback');
  assert.equal(host('http://registry.example/'), undefined);
});

test('a server may redirect to hosts of its own class only', () => {
  const allowed = (asked: string, target: string) => {
    try {
      requireReachable(new URL(asked), new URL(target), 'GET');
      return true;
    } catch (error) {
      assert.ok(hasCode(error, 'REDIRECT_REFUSED'));
      return false;
    }
  };
  assert.ok(allowed('http://127.0.0.1:5000/', 'http://localhost:6000/'));
  assert.ok(allowed('http://10.0.0.1/', 'http://192.0.2.1/'));
  assert.ok(allowed('http://registry.example/', 'http://cdn.example/'));
  assert.ok(!allowed('http://10.0.0.1/', 'http://127.0.0.1/'));
  assert.ok(!allowed('http://127.0.0.1/', 'http://169.254.169.254/'));
  assert.ok(!allowed('http://169.254.1.1/', 'http://169.254.169.254/'));
});

test('a host name that resolves to this host is refused if another host named it', async () => {
  const resolve = (asked: string, all: boolean) =>
    new Promise((done) => {
      lookupFor(new URL(asked))('localhost', { all }, (error, address) => done(error ?? address));
    });
  assert.ok(hasCode(await resolve('http://10.0.0.1/', true), 'REDIRECT_REFUSED'));
  assert.ok(Array.isArray(await resolve('http://127.0.0.1/', true)));
  assert.match(String(await resolve('http://localhost/', false)), /^127\.0\.0\.1$|^::1$/);
});
