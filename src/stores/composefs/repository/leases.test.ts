import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { collectGarbage } from '../garbage/gc.ts';
import { initRepository, openRepository, type Repository } from '../index.ts';

async function initAt(path: string): Promise<Repository> {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

const leasesIn = (path: string) => readdirSync(join(path, '.onecopy/leases'));

test('another process can collect garbage while leased work runs, and locked sections wait for it', async () => {
  using temp = makeTempDir();
  using repository = await initAt(temp.path);
  const said: string[] = [];
  await repository.leased({}, async ({ locked }) => {
    using other = await openRepository(temp.path);
    let section: Promise<void> | undefined;
    await other.exclusively({ timeoutMs: 0 }, async () => {
      section = locked(async () => void said.push('section'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      said.push('collected');
    });
    await section;
    await locked(async () => {
      await assert.rejects(
        other.exclusively({ timeoutMs: 0 }, async () => {}),
        { code: 'REPO_LOCKED' },
      );
    });
  });
  assert.deepEqual(said, ['collected', 'section']);
  using other = await openRepository(temp.path);
  await assert.rejects(
    other.exclusively({ timeoutMs: 0 }, async () => {}),
    { code: 'REPO_LOCKED' },
  );
});

test('a lease is empty for the next work, and is removed with the repository', async () => {
  using temp = makeTempDir();
  {
    using repository = await initAt(temp.path);
    const counted: string[] = [];
    const visit = () => {
      counted.length = 0;
      return repository.leases.visit(32, {
        streams: (names) => counted.push(...names),
        objects: (digests) => counted.push(`${digests.length / 32} objects`),
      });
    };
    await repository.leased({}, async ({ begin, keep }) => {
      await begin();
      keep('one');
      repository.objects.ensureBytes(Buffer.from('x'));
      await repository.leased({}, async () => keep('two'));
      assert.equal(visit(), 1);
      assert.deepEqual(counted, ['one', 'two', '1 objects']);
    });
    await repository.leased({}, async ({ begin }) => {
      await begin();
      visit();
      assert.deepEqual(counted, []);
    });
    assert.equal(leasesIn(temp.path).length, 2);
  }
  assert.throws(() => leasesIn(temp.path), { code: 'ENOENT' });
});

test('foreign files among the leases are removed or ignored', async () => {
  using temp = makeTempDir();
  using repository = await initAt(temp.path);
  const folder = join(temp.path, '.onecopy/leases');
  mkdirSync(join(folder, 'folder'), { recursive: true });
  symlinkSync('/etc/passwd', join(folder, 'link'));
  writeFileSync(join(folder, 'dead'), 'some-stream\n../meta.json\n');
  writeFileSync(join(folder, 'dead-objects'), Buffer.alloc(40, 1));
  writeFileSync(join(folder, 'lone-objects'), Buffer.alloc(32));
  const nothing = { streams: () => assert.fail(), objects: () => assert.fail() };
  assert.equal(repository.leases.visit(32, nothing), 0);
  await collectGarbage(repository);
  assert.deepEqual(readdirSync(folder).sort(), ['folder', 'link']);
});

test('a lease with a damaged end and invalid names does not stop garbage collection', async () => {
  using temp = makeTempDir();
  using repository = await initAt(temp.path);
  await repository.leased({}, async ({ begin, keep }) => {
    await begin();
    keep('no-such-stream');
    keep('refs/oci/app');
    const [name = ''] = leasesIn(temp.path).filter((found) => found.endsWith('-objects'));
    writeFileSync(join(temp.path, '.onecopy/leases', name), Buffer.alloc(45, 7));
    using other = await openRepository(temp.path);
    other.objects.ensureBytes(Buffer.from('garbage'));
    assert.equal((await collectGarbage(other)).objectsRemoved, 1);
  });
});
