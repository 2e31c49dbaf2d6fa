import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import { formatReference, type ImageReference, parseReference } from './reference.ts';

const HEX = 'ab'.repeat(32);
const DIGEST = `sha256:${HEX}`;

const ACCEPTED: [string, object][] = [
  ['oci:/a/b', { transport: 'oci', path: '/a/b' }],
  ['oci:/a/b:v1', { transport: 'oci', path: '/a/b', tag: 'v1' }],
  ['oci:/a:1/b', { transport: 'oci', path: '/a:1/b' }],
  ['oci:/a:1/b:v2', { transport: 'oci', path: '/a:1/b', tag: 'v2' }],
  ['oci:dir:@3', { transport: 'oci', path: 'dir', index: 3 }],
  [`oci:dir@${DIGEST}`, { transport: 'oci', path: 'dir', digest: DIGEST }],
  [`oci:dir:@${DIGEST}`, { transport: 'oci', path: 'dir', digest: DIGEST }],
  ['oci-archive:x.tar:v1', { transport: 'oci-archive', path: 'x.tar', tag: 'v1' }],
  [
    'docker-archive:/x.tar:localhost:5000/a/b:v1',
    { transport: 'docker-archive', path: '/x.tar', tag: 'localhost:5000/a/b:v1' },
  ],
  ['docker-archive:x.tar:@1', { transport: 'docker-archive', path: 'x.tar', index: 1 }],
  ['dir:/a:b', { transport: 'dir', path: '/a:b' }],
  [
    'docker://ubuntu',
    { transport: 'docker', registry: 'docker.io', repository: 'library/ubuntu', tag: 'latest' },
  ],
  [
    'docker://docker.io/ubuntu:24.04',
    { transport: 'docker', registry: 'docker.io', repository: 'library/ubuntu', tag: '24.04' },
  ],
  [
    'docker://localhost/a',
    { transport: 'docker', registry: 'localhost', repository: 'a', tag: 'latest' },
  ],
  [
    'docker://127.0.0.1:5000/a/b:v',
    { transport: 'docker', registry: '127.0.0.1:5000', repository: 'a/b', tag: 'v' },
  ],
  [
    `docker://quay.io/a/b@${DIGEST}`,
    { transport: 'docker', registry: 'quay.io', repository: 'a/b', digest: DIGEST },
  ],
  [
    'docker://index.docker.io/ubuntu',
    { transport: 'docker', registry: 'docker.io', repository: 'library/ubuntu', tag: 'latest' },
  ],
  [
    'docker://Reg.test/a:v',
    { transport: 'docker', registry: 'Reg.test', repository: 'a', tag: 'v' },
  ],
  [
    'docker://[::1]:5000/a',
    { transport: 'docker', registry: '[::1]:5000', repository: 'a', tag: 'latest' },
  ],
  [
    'ostree:https://host:8080/repo:os/x86_64/main',
    { transport: 'ostree', location: 'https://host:8080/repo', ref: 'os/x86_64/main' },
  ],
  ['ostree:https://host:8080', { transport: 'ostree', location: 'https://host:8080' }],
  ['ostree:http://[::1]:80/r', { transport: 'ostree', location: 'http://[::1]:80/r' }],
  ['ostree:http://u:p@host/r', { transport: 'ostree', location: 'http://u:p@host/r' }],
  ['ostree:http://host:main', { transport: 'ostree', location: 'http://host', ref: 'main' }],
  [
    'ostree:mirrorlist=https://host/list:main',
    { transport: 'ostree', location: 'mirrorlist=https://host/list', ref: 'main' },
  ],
  ['ostree-local:/r', { transport: 'ostree-local', location: '/r' }],
  ['ostree-local:/r:a/b', { transport: 'ostree-local', location: '/r', ref: 'a/b' }],
  ['containers-storage:alpine', { transport: 'containers-storage', name: 'alpine' }],
  [
    'containers-storage:[overlay@/var/lib/c+/run/c]quay.io/a:1',
    {
      transport: 'containers-storage',
      driver: 'overlay',
      graphRoot: '/var/lib/c',
      runRoot: '/run/c',
      name: 'quay.io/a:1',
    },
  ],
  [
    'containers-storage:[overlay@/g+/r:overlay.imagestore=/i,x=y]a@sha256:0',
    {
      transport: 'containers-storage',
      driver: 'overlay',
      graphRoot: '/g',
      runRoot: '/r',
      options: 'overlay.imagestore=/i,x=y',
      name: 'a@sha256:0',
    },
  ],
  [
    'containers-storage:[/g:.mountopt=nodev]@id',
    {
      transport: 'containers-storage',
      graphRoot: '/g',
      options: '.mountopt=nodev',
      name: '@id',
    },
  ],
  ['containers-storage:[/g]a', { transport: 'containers-storage', graphRoot: '/g', name: 'a' }],
  ['composefs:/repo:img:1', { transport: 'composefs', path: '/repo', name: 'img:1' }],
  ['img', { transport: 'stored', name: 'img' }],
  ['quay.io/a/b:1', { transport: 'stored', name: 'quay.io/a/b:1' }],
  [`@${DIGEST}`, { transport: 'stored', digest: DIGEST }],
];

for (const [text, expected] of ACCEPTED) {
  test(`parseReference reads ${text}`, () => {
    assert.deepEqual(parseReference(text), expected);
  });
}

const REFUSED = [
  '',
  'oci:',
  'oci:dir:',
  'dir:',
  'oci:a\0b',
  'docker:ubuntu',
  'docker://',
  'docker://UPPER',
  'docker://UPPER/a',
  'docker://a/b:',
  'docker://a:b:c',
  'docker://-bad.host/a',
  'docker://bad..host/a',
  'docker://bad_host.test/a',
  'docker://quay.io/a@sha256:00',
  `docker://quay.io/a/b:v@${DIGEST}`,
  `docker://quay.io/a@sha384:${'ab'.repeat(48)}`,
  `docker://${HEX}`,
  `docker://quay.io/${'a'.repeat(248)}`,
  `docker://quay.io/${'a'.repeat(256)}`,
  `docker://quay.io/a:${'t'.repeat(129)}`,
  'docker://quay.io/a//b',
  'docker://quay.io/../b',
  '@sha256:12',
  '@',
  `oci:dir:@sha256:${'AB'.repeat(32)}`,
  'ostree:ref',
  'ostree:ftp://host:ref',
  'ostree:https://',
  'ostree:https://host:',
  'ostree-local:',
  'ostree-local:/r:',
  'composefs:/r',
  'composefs::x',
  'containers-storage:',
  'containers-storage:[overlay@relative]a',
  'containers-storage:[/g]',
  'containers-storage:[/g',
  'https://example.com/x',
  'a\nb',
];

for (const text of REFUSED) {
  test(`parseReference refuses ${JSON.stringify(text).slice(0, 60)}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => hasCode(error, 'REFERENCE_INVALID'),
    );
  });
}

test('parseReference reverses formatReference', () => {
  for (const [text] of ACCEPTED) {
    const value = parseReference(text);
    assert.deepEqual(parseReference(formatReference(value)), value);
  }
});

test('for any text, parseReference gives a value that formats back, or REFERENCE_INVALID', () => {
  const schemes = ['', 'oci:', 'oci-archive:', 'docker-archive:', 'dir:', 'docker://', 'ostree:'];
  const word = fc.string({
    unit: fc.constantFrom('a', 'b', ':', '/', '@', '.', '[', ']', '+', '1'),
  });
  fc.assert(
    fc.property(fc.constantFrom(...schemes), word, (scheme, rest) => {
      let value: ImageReference;
      try {
        value = parseReference(scheme + rest);
      } catch (error) {
        return hasCode(error, 'REFERENCE_INVALID');
      }
      assert.deepEqual(parseReference(formatReference(value)), value);
      return true;
    }),
    { numRuns: 2000 },
  );
});
