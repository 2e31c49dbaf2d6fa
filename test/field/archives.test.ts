/** Archives of images as they were met in the field. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { previewImage } from '#work/preview';
import { type TestMember, testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const A = testTar([
  { name: 'usr/', flag: '5' },
  { name: 'usr/a', content: '1' },
]);
const B = testTar([{ name: 'usr/b', content: '2' }]);
const CONFIG = JSON.stringify({
  architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(A)}`, `sha256:${sha256(B)}`] },
});
const CONFIG_NAME = `${sha256(Buffer.from(CONFIG))}.json`;

function manifest(...layers: string[]): TestMember {
  const image = { Config: CONFIG_NAME, RepoTags: ['app:1'], Layers: layers };
  return { name: 'manifest.json', content: JSON.stringify([image]) };
}

for (const [what, members] of [
  [
    'a directory that states a size',
    [
      { name: 'l1/', flag: '5', statedSize: 4096 },
      { name: CONFIG_NAME, content: CONFIG },
      { name: 'l1/layer.tar', content: A },
      { name: 'l2/layer.tar', content: B },
      manifest('l1/layer.tar', 'l2/layer.tar'),
    ],
  ],
  [
    'a hard link that states the size of its target',
    [
      { name: CONFIG_NAME, content: CONFIG },
      { name: `${sha256(A)}.tar`, content: A },
      { name: 'l2/layer.tar', content: B },
      { name: 'l1/layer.tar', flag: '1', link: `${sha256(A)}.tar`, statedSize: A.length },
      manifest('l1/layer.tar', 'l2/layer.tar'),
    ],
  ],
] as const) {
  test(`a docker-archive with ${what} is read`, async () => {
    using temp = makeTempDir();
    const path = join(temp.path, 'app.tar');
    writeFileSync(path, testTar(members));
    await using preview = await previewImage(`docker-archive:${path}`);
    const paths = [...preview.view.walk('/' as ByteString)].map((entry) => entry.path);
    deepEqual(paths, ['/', '/usr', '/usr/a', '/usr/b']);
  });
}

for (const [compression, magic] of [
  ['xz', 'fd377a585a00'],
  ['bzip2', '425a68393141'],
] as const) {
  test(`an archive compressed with ${compression} is refused by the name of the format, with a hint to decompress it`, async () => {
    using temp = makeTempDir();
    const path = join(temp.path, 'app.tar');
    writeFileSync(path, Buffer.from(magic, 'hex'));
    await rejects(previewImage(`docker-archive:${path}`), (error) => {
      ok(hasCode(error, 'COMPRESSION_UNSUPPORTED'));
      match(error.message, /^Cannot read image archive ".*app\.tar": expected plain, gzip or zstd/);
      equal(error.details['compression'], compression);
      match(error.hint ?? '', /xz -dk or bunzip2 -k/);
      return true;
    });
  });
}
