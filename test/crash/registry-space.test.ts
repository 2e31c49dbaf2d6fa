import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkRepository, initRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import { askVerb, type Json, quietContext } from '../support/ask-verb.ts';
import { needs } from '../support/capability.ts';
import { LayoutRegistry } from '../support/layout-registry.ts';
import { layerTar } from '../support/registry-place.ts';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';
import { mountSmallFilesystem } from '../support/small-filesystem.ts';
import { SteppingSource } from '../support/stepping-source.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';
import { VerbWorld } from '../support/verb-world.ts';

const MIB = 1 << 20;

test('a pull that ran out of disk space fetches no stored layer again when there is space', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  writeTestLayout(join(temp.path, 'app'), [{ tar: layerTar(1, 30) }, { tar: layerTar(2, 20) }]);
  const limit = 32 * MIB;
  using disk = mountSmallFilesystem(limit);
  const path = join(disk.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  const ballast = join(disk.path, 'ballast');
  const source = new SteppingSource(join(temp.path, 'app'), async (step) => {
    if (step === 8) writeFileSync(ballast, Buffer.alloc(limit - disk.usedBytes - 300_000));
  });
  await assert.rejects(pullImage(open, source, { name: 'app', jobs: 2 }), { code: 'NO_SPACE' });
  assert.deepEqual((await checkRepository(open)).findings, []);
  assert.deepEqual(open.tags.list(), []);
  const before = new Map(source.fetched);
  rmSync(ballast);
  const { layers } = await pullImage(open, source, { name: 'app', jobs: 2 });
  for (const { digest, sizeBytes } of layers) {
    const again = (source.fetched.get(digest) ?? 0) - sizeBytes;
    assert.ok(again < MIB, `${again} bytes of ${before.get(digest)} again`);
  }
  assert.deepEqual((await checkRepository(open)).findings, []);
});

test('two processes that pull one image of a registry at the same time fetch it once', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  const files = [15, 12, 5, 4, 3, 2];
  writeTestLayout(
    at('app'),
    files.map((count, seed) => ({ tar: layerTar(seed, count) })),
  );
  await using registry = await LayoutRegistry.start(at('app'));
  const pull = async (repo: string) => {
    const args = ['--repo', at(repo), 'pull', `docker://${registry.host}/app:latest`, 'app'];
    const child = spawn(ONECOPY, args, { stdio: 'ignore', env: cliEnvironment() });
    const [status] = await once(child, 'exit');
    assert.equal(status, 0);
  };
  for (const repo of ['alone', 'both']) {
    const { repository } = await initRepository(at(repo), { algorithm: 'sha256', insecure: true });
    repository[Symbol.dispose]();
  }
  await pull('alone');
  const alone = registry.sentBytes;
  registry.reset();
  await Promise.all([pull('both'), pull('both')]);
  assert.ok(registry.sentBytes <= 1.05 * alone, `${registry.sentBytes} bytes beside ${alone}`);
});

test('a push of kept blobs works on a full disk; a push that compresses again fails there, and resumes when there is space', async (t) => {
  if (!needs(t, 'root')) return;
  await using world = await VerbWorld.start();
  const limit = 8 * MIB;
  using disk = mountSmallFilesystem(limit);
  const layer = testTar([{ name: 'big', content: noise(MIB, 1) }]);
  const { reference } = writeTestLayout(world.path('image'), [{ tar: layer }]);
  const context = quietContext(join(disk.path, 'repo'));
  const ask = (verb: string, request: Json) => askVerb('run', verb, context, request);
  await ask('pull', { reference, names: ['kept'], keepBlobs: true });
  const ballast = join(disk.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(limit - disk.usedBytes));
  const kept = { name: 'kept', target: world.at('kept/app:1') };
  await ask('push', { ...kept, sameDigest: true });
  const { TMPDIR: before } = process.env;
  process.env['TMPDIR'] = disk.path;
  try {
    const anew = { name: 'kept', target: world.at('anew/app:1'), forceCompression: 'zstd' };
    await assert.rejects(ask('push', anew), { code: 'NO_SPACE' });
    assert.ok(![...world.memory.manifests.keys()].some((key) => key.startsWith('anew/app')));
    rmSync(ballast);
    assert.equal((await ask('push', anew))['identical'], false);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
  assert.deepEqual(readdirSync(disk.path).sort(), ['repo']);
});
