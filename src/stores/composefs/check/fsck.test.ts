import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProgressEvent } from '#base/flow';
import { renderFsckText } from '#faces/cfsctl';
import { objectPath } from '#formats/fsverity';
import { SplitstreamWriter } from '#formats/splitstream';
import { watchDescriptors } from '../../../../test/support/fd-leak.ts';
import { unpackGoldenRepository } from '../../../../test/support/golden-repo.ts';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { checkRepository, initRepository, openRepository, type Repository } from '../index.ts';

async function withRepository(work: (repository: Repository, path: string) => Promise<void>) {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await work(open, path);
}

for (const name of [
  'artifact-platform/repo-sha256-v1',
  'basic/repo-sha256-v1',
  'basic/repo-sha512-v2',
  'bootable/repo-sha256-v1',
  'labelled/repo-sha256-v1',
  'multiarch-flat/repo-sha256-v1',
  'sizes/repo-sha256-v1',
  'two-tags/repo-sha256-v1',
  'types/repo-sha256-v1',
  'types/repo-sha512-v2',
  'whiteouts/repo-sha256-v1',
  'zstd-plain/repo-sha256-v1',
]) {
  test(`a repository written by cfsctl is clean, and our objects equal its objects: ${name}`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    const path = unpackGoldenRepository(name, temp.path);
    using theirs = await openRepository(path);
    const report = await checkRepository(theirs);
    ok(renderFsckText(report).endsWith('status: ok\n'), renderFsckText(report));
    ok(report.objectsChecked > 3 && report.streamsChecked >= 3, 'there was something to check');
    const { algorithm } = theirs;
    const other = join(temp.path, 'ours');
    using ours = (await initRepository(other, { algorithm, insecure: true })).repository;
    for (const { id, sizeBytes } of theirs.objects.list()) {
      deepEqual(ours.objects.ensureBytes(theirs.objects.read(id, sizeBytes)), {
        id,
        method: 'stored',
      });
    }
    deepEqual([...ours.objects.list()], [...theirs.objects.list()]);
  });
}

test('an empty repository is clean', () =>
  withRepository(async (repository) => {
    equal(
      renderFsckText(await checkRepository(repository)),
      'meta.json: ok\nobjects: 0/0 ok\nstreams: 0/0 ok\nimages: 0/0 ok\nstatus: ok\n',
    );
  }));

test('several threads report the same findings and counts as one', () =>
  withRepository(async (repository, path) => {
    const ids = Array.from(
      { length: 1200 },
      (_, i) => repository.objects.ensureBytes(Buffer.alloc(100 + i, i)).id,
    );
    for (const id of ids.slice(0, 7)) truncateSync(join(path, 'objects', objectPath(id)), 5);
    writeFileSync(join(path, 'objects/00/junk'), '');
    const one = await checkRepository(repository);
    const events: ProgressEvent[] = [];
    using _leaks = watchDescriptors();
    const two = await checkRepository(repository, {
      workers: 2,
      onProgress: (event) => void events.push(event),
    });
    deepEqual(two, one);
    equal(one.objectsChecked, 1201);
    equal(one.findings.length, 8);
    deepEqual(
      events.findLast((event) => event.type === 'done' && event.id === 'fsck:objects'),
      {
        type: 'done',
        id: 'fsck:objects',
        transferred: 1201,
      },
    );
  }));

test('a cancelled check stops its threads and throws the reason of the signal', () =>
  withRepository(async (repository) => {
    for (let i = 0; i < 1100; i += 1) repository.objects.ensureBytes(Buffer.alloc(70 + i, i));
    const reason = new Error('enough');
    const controller = new AbortController();
    const stopping = checkRepository(repository, {
      workers: 2,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await rejects(stopping, (error) => error === reason);
  }));

test('a body that differs from the declared size is reported although its digest is right', () =>
  withRepository(async (repository) => {
    const { algorithm } = repository;
    const { id } = repository.objects.ensureBytes(Buffer.alloc(100, 1));
    const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.writeExternal(id, 99);
    repository.streams.publish('s', await writer.finish());
    const report = await checkRepository(repository);
    deepEqual(report.findings, [
      { kind: 'stream-read-failed', path: 'streams/s', detail: 'expected 99 bytes, found 100' },
    ]);
    equal(report.streamsCorrupted, 1);
    equal((await checkRepository(repository, { metadataOnly: true })).ok, true);
  }));

test('a missing object is counted once for each stream that needs it', () =>
  withRepository(async (repository, path) => {
    const { algorithm } = repository;
    const { id } = repository.objects.ensureBytes(Buffer.alloc(100, 1));
    for (const name of ['a', 'b']) {
      const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
      writer.addNamedRef(name, id);
      writer.writeExternal(id, 100);
      repository.streams.publish(name, await writer.finish());
    }
    rmSync(join(path, 'objects', objectPath(id)));
    const { findings, missingObjects, streamsCorrupted } = await checkRepository(repository);
    deepEqual(
      findings.map(({ kind, path: where }) => `${kind} ${where}`),
      [
        'missing-object-ref streams/a',
        'missing-named-ref streams/a',
        'missing-object-ref streams/b',
        'missing-named-ref streams/b',
      ],
    );
    deepEqual([missingObjects, streamsCorrupted], [4, 0]);
  }));

test('a meta.json that is damaged or removed after opening is reported', () =>
  withRepository(async (repository, path) => {
    writeFileSync(join(path, 'meta.json'), '{');
    const broken = await checkRepository(repository);
    equal(broken.findings[0]?.kind, 'metadata-parse-failed');
    ok(renderFsckText(broken).startsWith('meta.json: error\n'));
    rmSync(join(path, 'meta.json'));
    equal((await checkRepository(repository)).findings[0]?.kind, 'metadata-parse-failed');
    writeFileSync(join(path, 'meta.json'), '{"version":1,"algorithm":"fsverity-sha512-12"}');
    const other = await checkRepository(repository);
    deepEqual([other.findings[0]?.kind, other.hasMetadata], ['metadata-algorithm-mismatch', true]);
  }));
