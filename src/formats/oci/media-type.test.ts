import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { hasCode } from '#base/errors';
import { MEDIA_TYPES } from './layout.ts';
import {
  detectCompression,
  isImageConfigType,
  ociLayerType,
  parseLayerType,
} from './media-type.ts';

const TYPES: [string, string, boolean][] = [
  ['application/vnd.oci.image.layer.v1.tar', 'none', false],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip', false],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd', false],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd', true],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none', false],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip', false],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd', false],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip', true],
];

for (const [mediaType, compression, foreign] of TYPES) {
  test(`parseLayerType recognises ${mediaType}`, () => {
    assert.deepEqual(parseLayerType(mediaType), { compression, foreign });
  });
}

for (const mediaType of ['', 'text/plain', 'application/vnd.oci.image.layer.v1.tar+xz']) {
  test(`parseLayerType gives undefined for ${JSON.stringify(mediaType)}`, () => {
    assert.equal(parseLayerType(mediaType), undefined);
  });
}

test('parseLayerType reverses ociLayerType', () => {
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    assert.equal(parseLayerType(ociLayerType(compression))?.compression, compression);
  }
});

test('isImageConfigType accepts the configs of OCI and Docker only', () => {
  assert.ok(isImageConfigType(MEDIA_TYPES.ociConfig));
  assert.ok(isImageConfigType(MEDIA_TYPES.dockerConfig));
  assert.ok(!isImageConfigType(MEDIA_TYPES.ociEmpty));
});

test('detectCompression recognises gzip, zstd and uncompressed bytes', () => {
  assert.equal(detectCompression(gzipSync('x')), 'gzip');
  assert.equal(detectCompression(zstdCompressSync('x')), 'zstd');
  assert.equal(detectCompression(Uint8Array.of(0x50, 0x2a, 0x4d, 0x18)), 'zstd');
  assert.equal(detectCompression(Uint8Array.of(0x5f, 0x2a, 0x4d, 0x18)), 'zstd');
  assert.equal(detectCompression(Buffer.from('usr/bin/')), 'none');
  assert.equal(detectCompression(Buffer.from('BZhello/')), 'none');
  assert.equal(detectCompression(new Uint8Array(0)), 'none');
});

for (const [name, head] of [
  ['xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)],
  ['bzip2', Buffer.from('BZh91AY')],
] as const) {
  test(`detectCompression refuses ${name}`, () => {
    assert.throws(
      () => detectCompression(head),
      (error) => hasCode(error, 'COMPRESSION_UNSUPPORTED') && error.details['compression'] === name,
    );
  });
}
