import assert from 'node:assert/strict';
import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syncfsAsync } from '#host';
import { unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import { testTar } from '../support/tar-archive.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';
import { makeUnifiedPlace } from '../support/unified-place.ts';

const NAME = 'quay.io/test/os:1';
const [FILES, FILE_BYTES] = [20, 512 << 10];
const CONTENT = noise(FILE_BYTES, 1);
/** Share of the disk use of containers-storage alone by which the two other stores may add to it. */
const GROWTH_MAX = 0.1;

for (const type of ['xfs', 'btrfs'] as const) {
  test(`two more stores take little more space (S4): ${type}`, async (t) => {
    if (!needs(t, type, 'root')) return;
    await using place = await makeUnifiedPlace(type);
    const { sysroot, path, filesystem } = place;
    const files = Array.from({ length: FILES }, (_, at) => {
      const content = Buffer.from(CONTENT);
      content.writeUInt32LE(at);
      return { name: `usr/f${at}`, content };
    });
    const tar = testTar([{ name: 'usr/', flag: '5', mode: 0o755 }, ...files]);
    const { reference } = writeTestLayout(join(filesystem.path, 'layout'), [{ tar }]);
    const usedBytes = async () => {
      await syncfsAsync(filesystem.dir);
      const { blocks, bfree, bsize } = statfsSync(filesystem.path);
      return (blocks - bfree) * bsize;
    };
    const emptyBytes = await usedBytes();
    const how = { mode: 'enabled', jobs: 1 } as const;
    await unifiedPull(sysroot, reference, { ...how, target: `docker://${NAME}` });
    for (const store of ['composefs', 'ostree/repo'])
      rmSync(join(path, store), { recursive: true });
    const aloneBytes = (await usedBytes()) - emptyBytes;
    assert.ok(aloneBytes >= FILES * FILE_BYTES);
    const pulled = await unifiedPull(sysroot, `containers-storage:${NAME}`, how);
    const growth = ((await usedBytes()) - emptyBytes - aloneBytes) / aloneBytes;
    const { external } = pulled.ostree?.made ?? {};
    assert.ok(growth < GROWTH_MAX, `${growth}`);
    assert.deepEqual([external?.reflinkedFiles, external?.copiedFiles], [FILES, 0]);
  });
}
