/** Garbage is collected at every step of a pull over a network: by onecopy, which honours its lease, and by cfsctl, which knows none. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Dir, tryFlock } from '#host';
import {
  checkRepository,
  collectGarbage,
  initRepository,
  openRepository,
  planGc,
  type Repository,
} from '#stores/composefs';
import { type PullOptions, pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { chunkedLayer } from '../support/chunked-image.ts';
import { layerTar } from '../support/registry-place.ts';
import { SteppingSource } from '../support/stepping-source.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, type TestLayer, writeTestLayout } from '../support/test-layout.ts';

const CFSCTL = promisify(execFile);

async function initAt(path: string): Promise<Repository> {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

/** Longest wait for the lock: a pull from which an object was taken holds it until it is done. */
const LOCK_MS = 500;

/** Collects as another process would, as far as locks are concerned: the repository is opened anew. @returns the number of objects removed */
async function collectIn(path: string, prepare = (_: Repository) => {}): Promise<number> {
  using repository = await openRepository(path);
  prepare(repository);
  return await collectGarbage(repository, { timeoutMs: LOCK_MS }).then(
    ({ objectsRemoved }) => objectsRemoved,
    (error: { code?: string }) => {
      assert.equal(error.code, 'REPO_LOCKED');
      return 0;
    },
  );
}

/** As a tool that knows no lease. */
function ignoreLeases({ leases }: Repository): void {
  leases.visit = () => 0;
  leases.findStale = () => [];
}

/** Layers that share files with a stored image whose tag is gone, and layers of their own. */
const shared = layerTar(1, 4);
const OLD: readonly TestLayer[] = [{ tar: shared }, { tar: layerTar(2, 3) }];
const NEW: readonly TestLayer[] = [
  { tar: shared },
  {
    tar: testTar([
      // All but the last file are objects of the old image, which nothing else keeps any more.
      ...[0, 1, 2].map((file) => ({ name: `f${file}`, content: noise(100_000, 2000 + file) })),
      ...Array.from({ length: 20 }, (_, file) => ({
        name: `n${file}`,
        content: noise(100_000, 7000 + file),
      })),
    ]),
  },
  { tar: layerTar(3, 2), compression: 'zstd' },
];

/** What a pull with a step before each piece gives, and the same in a repository of its own. */
async function pullWithSteps(
  at: (name: string) => string,
  onStep: (step: number, path: string) => Promise<void>,
  options: PullOptions = {},
) {
  const path = at('repo');
  const source = new SteppingSource(at('new'), (step) => onStep(step, path));
  using alone = await initAt(at('alone'));
  const expected = await pullImage(alone, `oci:${at('new')}:latest`, { name: 'new' });
  using repository = await initAt(path);
  await pullImage(repository, `oci:${at('old')}:latest`, { name: 'old' });
  repository.tags.remove('old');
  const report = await pullImage(repository, source, { name: 'new', jobs: 2, ...options });
  assert.equal(report.imageId, expected.imageId);
  assert.equal(report.manifestStreamId, expected.manifestStreamId);
  assert.deepEqual((await checkRepository(repository)).findings, []);
  return { report, source, repositoryPath: path };
}

test('a gc at every step of a pull removes no object of the pull, and never waits for it', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  writeTestLayout(at('old'), OLD);
  writeTestLayout(at('new'), NEW);
  let [collections, removed] = [0, 0];
  const { report, source, repositoryPath } = await pullWithSteps(at, async (step, path) => {
    // At the first step, the pull asks for the manifest, and counts on nothing yet.
    if (step === 1) return;
    const count = await collectIn(path);
    removed += count;
    collections += 1;
  });
  assert.equal(collections, source.steps - 1);
  assert.ok(collections > 10, `only ${collections} steps`);
  assert.ok(removed > 0, 'what nothing needs is collected during the pull');
  // The layer of the old image was found before the first step; nothing came twice.
  assert.deepEqual(
    report.layers.map(({ status }) => status),
    ['present', 'imported', 'imported'],
  );
  // A layer of less than 1 MiB is not kept as it comes. It comes again if a file of the old image was removed just when it was reused.
  const [, large, small] = report.layers;
  assert.equal(source.fetched.get(large?.digest as never), large?.sizeBytes);
  assert.ok((source.fetched.get(small?.digest as never) ?? 0) <= 2 * (small?.sizeBytes ?? 0));
  assert.deepEqual(readdirSync(join(repositoryPath, '.onecopy/partial')), []);
  assert.ok(!existsSync(join(repositoryPath, '.onecopy/leases')));
});

test('a gc at every step of a partial pull keeps the chunks that the pull relies on', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  const files = (version: number) =>
    Array.from({ length: 36 }, (_, file) => ({
      name: `f${file}`,
      content: noise(30_000, file + (file % 3 === 0 ? 10_000 * version : 0)),
    }));
  writeTestLayout(at('old'), [await chunkedLayer(testTar(files(0)))]);
  writeTestLayout(at('new'), [await chunkedLayer(testTar(files(1)))]);
  let steps = 0;
  const { report, source } = await pullWithSteps(
    at,
    async (step, path) => {
      // The first steps find out what the layer has; from then on the pull says what it counts on.
      if (step > 4) {
        await collectIn(path);
        steps += 1;
      }
    },
    { strategy: 'partial' },
  );
  assert.ok(steps > 5, `only ${steps} steps`);
  const [layer] = report.layers;
  assert.equal(layer?.route, 'partial');
  assert.ok(source.fetchedBytes < 0.45 * (layer?.sizeBytes ?? 0), `${source.fetchedBytes} bytes`);
});

test('a pull restores objects that a tool without leases removes, and fetches no large blob twice', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  writeTestLayout(at('old'), OLD);
  writeTestLayout(at('new'), NEW);
  let removed = 0;
  const { report, source } = await pullWithSteps(at, async (_, path) => {
    const count = await collectIn(path, ignoreLeases);
    removed += count;
  });
  assert.ok(removed > 14, `only ${removed} objects`);
  const [first, large] = report.layers;
  assert.equal(source.fetched.get(large?.digest as never), large?.sizeBytes);
  assert.equal(first?.status, 'imported');
});

test('a gc by cfsctl at every step of a pull causes more work and no loss', async (t) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  writeTestLayout(at('old'), OLD);
  writeTestLayout(at('new'), NEW);
  let collections = 0;
  const { report, source } = await pullWithSteps(at, async (_, path) => {
    using probe = Dir.open(path);
    if (!tryFlock(probe, 'exclusive')) return;
    probe[Symbol.dispose]();
    await CFSCTL('cfsctl', ['--repo', path, '--insecure', 'gc']);
    collections += 1;
  });
  assert.ok(collections > 10, `only ${collections} collections`);
  const large = report.layers[1];
  assert.equal(source.fetched.get(large?.digest as never), large?.sizeBytes);
});

test('the lease of a finished pull keeps no object', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  {
    using repository = await initAt(path);
    await repository.leased({}, async ({ begin }) => {
      await begin();
      const { id } = repository.objects.ensureBytes(Buffer.from('counted on'));
      assert.equal(await collectIn(path), 0);
      assert.ok(repository.objects.has(id));
      using other = await openRepository(path);
      assert.deepEqual((await planGc(other)).objects, []);
    });
  }
  assert.equal(await collectIn(path), 1);
});
