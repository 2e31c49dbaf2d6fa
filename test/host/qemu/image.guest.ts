import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hasCode } from '#base/errors';
import { objectPath } from '#formats/fsverity';
import { tryMeasureVerity } from '#host';
import { checkOciImages, checkRepository } from '#work/check';
import { openOciImage } from '#work/image';
import { mountImage, unmountImage } from '#work/mount';
import { pullImage } from '#work/pull-image';
import { openOrCreate, openRepository, type Repository } from '#work/repository';
import { writeTinyImage } from '../../support/tiny-images.ts';

const SMALL =
  'a file of more than sixty-four bytes, so that it is an object and not part of the image\n';
/** More than one batch of a pull, but a small blob: threads would take long to start in an emulated machine. */
const LARGE = 'the quick brown fox jumps over the lazy dog\n'.repeat(30_000);

for (const top of ['/ext4', '/btrfs']) {
  describe(`a secure image on ${top.slice(1)}`, () => {
    const path = `${top}/secure`;
    const target = `${top}/mnt`;

    async function open(): Promise<Repository> {
      return await openRepository(path, { requireVerity: true });
    }

    it('is pulled into a repository that is secure unless told otherwise, every object protected', async () => {
      const { reference } = await writeTinyImage(`${top}/layout`, 'latest', [
        { files: { 'usr/': '', 'usr/small': SMALL, 'usr/inline': 'inline' } },
        { files: { 'usr/': '', 'usr/large': LARGE }, compression: 'zstd' },
      ]);
      const { repository, created } = await openOrCreate({ path });
      using opened = repository;
      assert.deepEqual([created, opened.insecure, opened.verity], [true, false, 'require']);
      const report = await pullImage(opened, reference, { name: 'app', requireVerity: true });
      assert.ok(report.bytes.stored > LARGE.length);
      let count = 0;
      for (const { id } of opened.objects.list()) {
        using object = opened.objects.openUnverified(id);
        assert.equal(tryMeasureVerity(object, opened.algorithm), id);
        count += 1;
      }
      assert.ok(count >= 8, `${count} objects`);
      assert.deepEqual((await checkRepository(opened)).findings, []);
      assert.deepEqual(
        (await checkOciImages(opened, { content: true, rebuild: true })).findings,
        [],
      );
    });

    it('is mounted so that the kernel demands fs-verity of every file', async () => {
      using repository = await open();
      mountApp(repository, target);
      try {
        assert.match(mountOptions(target), /\bverity=require\b/);
        assert.equal(readFileSync(`${target}/usr/small`, 'utf8'), SMALL);
        assert.equal(readFileSync(`${target}/usr/large`, 'utf8'), LARGE);
        assert.equal(readFileSync(`${target}/usr/inline`, 'utf8'), 'inline');
      } finally {
        await unmountImage(target);
      }
    });

    it('gives EIO for a file whose object is the same bytes without protection, and fsck names it', async () => {
      using repository = await open();
      const [object = ''] = [...repository.objects.list()]
        .filter(({ sizeBytes }) => sizeBytes === SMALL.length)
        .map(({ id }) => `${path}/objects/${objectPath(id)}`);
      const bytes = readFileSync(object);
      assert.equal(bytes.toString(), SMALL);
      unlinkSync(object);
      writeFileSync(object, bytes);
      mountApp(repository, target);
      try {
        assert.throws(() => readFileSync(`${target}/usr/small`), { code: 'EIO' });
        assert.equal(readFileSync(`${target}/usr/large`, 'utf8'), LARGE);
      } finally {
        await unmountImage(target);
      }
      const { findings } = await checkRepository(repository);
      assert.deepEqual(
        findings.map(({ kind }) => kind),
        ['object-verity-missing'],
      );
    });

    it('is refused by a repository without protection when protection is demanded', async () => {
      const insecure = `${top}/insecure`;
      const reference = `oci:${top}/layout:latest`;
      {
        const { repository } = await openOrCreate({ path: insecure }, { insecure: true });
        using opened = repository;
        await assert.rejects(pullImage(opened, reference, { requireVerity: true }), (error) =>
          hasCode(error, 'VERITY_NOT_ENABLED'),
        );
        assert.deepEqual(readdirSync(insecure), ['meta.json']);
        await pullImage(opened, reference, { name: 'app' });
        mountApp(opened, target, false);
        try {
          assert.doesNotMatch(mountOptions(target), /\bverity=/);
          assert.equal(readFileSync(`${target}/usr/small`, 'utf8'), SMALL);
        } finally {
          await unmountImage(target);
        }
      }
      await assert.rejects(openRepository(insecure, { requireVerity: true }), (error) =>
        hasCode(error, 'VERITY_NOT_ENABLED'),
      );
    });
  });
}

function mountApp(repository: Repository, target: string, verity = true): void {
  mkdirSync(target, { recursive: true });
  const id = openOciImage(repository, 'app').imageId(repository.formats.default);
  assert.ok(id !== undefined);
  assert.equal(mountImage(repository, id, target).verity, verity);
}

/** The options of what is mounted there, as the kernel shows them. */
function mountOptions(target: string): string {
  const rows = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return rows.find((row) => row.split(' ')[1] === target)?.split(' ')[3] ?? '';
}
