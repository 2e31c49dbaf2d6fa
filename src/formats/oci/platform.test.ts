import assert from 'node:assert/strict';
import { machine } from 'node:os';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { formatPlatform, hostPlatform, parsePlatform, rankPlatform } from './platform.ts';

test('parsePlatform reads os, architecture and variant, or an architecture alone', () => {
  assert.deepEqual(parsePlatform('linux/arm/v7'), {
    os: 'linux',
    architecture: 'arm',
    variant: 'v7',
  });
  assert.deepEqual(parsePlatform('Linux/AMD64'), { os: 'linux', architecture: 'amd64' });
  assert.deepEqual(parsePlatform('aarch64'), { os: 'linux', architecture: 'arm64' });
});

for (const text of ['', '/', 'linux/', 'linux//v8', 'a/b/c/d', 'linux/am d64', '../x']) {
  test(`parsePlatform refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parsePlatform(text),
      (error) => hasCode(error, 'PLATFORM_INVALID'),
    );
  });
}

/** The machine names of the kernel (uname -m) and of Go. Source: Go's internal/goarch, Linux UTS_MACHINE. */
const GO_NAMES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i686: '386',
  loongarch64: 'loong64',
  ppc64le: 'ppc64le',
  riscv64: 'riscv64',
  s390x: 's390x',
};

test('hostPlatform names this host as Go does', () => {
  assert.deepEqual(hostPlatform(), { os: 'linux', architecture: GO_NAMES[machine()] });
});

const rank = (offered: string, wanted: string) =>
  rankPlatform(parsePlatform(offered), parsePlatform(wanted));

test('rankPlatform never matches another os or architecture', () => {
  assert.equal(rank('linux/amd64', 'linux/arm64'), undefined);
  assert.equal(rank('windows/amd64', 'linux/amd64'), undefined);
});

test('rankPlatform treats arm64/v8 as arm64 and amd64/v1 as amd64', () => {
  assert.equal(rank('linux/arm64', 'linux/arm64/v8'), 0);
  assert.equal(rank('linux/arm64/v8', 'linux/arm64/v8'), 0);
  assert.equal(rank('linux/amd64/v1', 'linux/amd64/v1'), 0);
  assert.equal(rank('linux/amd64', 'linux/amd64/v1'), 0);
  assert.equal(rank('linux/amd64', 'linux/amd64/v3'), undefined);
});

test('rankPlatform accepts older arm variants, newest first, and no newer ones', () => {
  assert.equal(rank('linux/arm/v7', 'linux/arm/v7'), 0);
  assert.equal(rank('linux/arm/v6', 'linux/arm/v7'), 1);
  assert.equal(rank('linux/arm/v5', 'linux/arm/v7'), 2);
  assert.equal(rank('linux/arm/v8', 'linux/arm/v7'), undefined);
});

test('rankPlatform prefers the image without a variant if none is requested', () => {
  const plain = rank('linux/amd64', 'linux/amd64') ?? Number.NaN;
  const newer = rank('linux/amd64/v3', 'linux/amd64') ?? Number.NaN;
  const odd = rank('linux/amd64/odd', 'linux/amd64') ?? Number.NaN;
  assert.ok(plain < newer && newer < odd);
  assert.equal(rank('linux/amd64/odd', 'linux/amd64/odd'), 0);
  assert.equal(rank('linux/amd64/odd', 'linux/amd64/even'), undefined);
});

test('formatPlatform omits an empty variant', () => {
  assert.equal(formatPlatform({ os: 'linux', architecture: 'arm', variant: '' }), 'linux/arm');
  assert.equal(formatPlatform(parsePlatform('linux/arm/v7')), 'linux/arm/v7');
});
