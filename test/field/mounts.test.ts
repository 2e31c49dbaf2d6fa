/** Places for what is written above an image, with names that overlayfs reads in its own way. Needs root. */
import { equal, ok } from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { initRepository } from '#stores/composefs';
import { mountImage, unmountImage } from '#work/mount';
import { pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { writeTestLayout } from '../support/test-layout.ts';

for (const name of ['a\\b', 'a\\\\', 'a,b', 'a:b', 'é', '名前', 'with space', 'quote\'"']) {
  test(`changes to a mounted image are written to an upper directory named ${JSON.stringify(name)}`, async (t) => {
    if (!needs(t, 'root', 'mount-api', 'erofs', 'loop')) return;
    using temp = makeTempDir();
    const at = (path: string) => join(temp.path, path);
    const { repository } = await initRepository(at('repo'), {
      algorithm: 'sha256',
      insecure: true,
    });
    using open = repository;
    const tar = testTar([{ name: 'usr/', flag: '5' }]);
    const { reference } = writeTestLayout(at('layout'), [{ tar }]);
    const { imageId } = await pullImage(open, reference, { name: 'img' });
    for (const folder of ['mnt', `upper ${name}`, `work ${name}`]) mkdirSync(at(folder));
    const writable = { upper: at(`upper ${name}`), work: at(`work ${name}`) };
    mountImage(open, imageId ?? '', at('mnt'), { writable, label: name });
    try {
      writeFileSync(at('mnt/written'), 'data');
    } finally {
      await unmountImage(at('mnt'));
    }
    ok(existsSync(at(`upper ${name}/written`)));
    equal(existsSync(at('mnt/written')), false);
  });
}
