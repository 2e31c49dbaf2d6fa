import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { hasCode } from '#base/errors';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  type DirtreeFile,
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  encodeFilez,
  type MetadataKind,
  ostreeObjectPath,
} from '#formats/ostree';
import { FakeHttp, type Fault } from '../../../../test/support/fake-http.ts';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import { makeTempDir, type TempDir } from '../../../../test/support/temp-dir.ts';
import { pullCommit } from '../index.ts';

/** More than threads are started for, so that they do most of the work. */
const FILES = 900;
const QUICK = { retry: { baseMs: 1, capMs: 4 } };

/** An archive with a ref `t` of many small files, a large one, and one that is small only while it is compressed. */
interface Archive {
  readonly files: readonly OstreeChecksum[];
  /** Objects of the commit, and the ref. */
  readonly paths: ReadonlySet<string>;
}

let temp: TempDir;
let archive: Archive;
before(() => {
  temp = makeTempDir();
  archive = writeArchive(temp.path);
});
after(() => temp[Symbol.dispose]());

function writeArchive(root: string): Archive {
  const paths = new Set<string>();
  const write = (path: string, bytes: string | Uint8Array): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
    paths.add(`/${path}`);
  };
  const metadata = (kind: MetadataKind, bytes: Uint8Array): OstreeChecksum => {
    const checksum = computeMetadataChecksum(bytes);
    write(ostreeObjectPath(checksum, kind), bytes);
    return checksum;
  };
  const files = contents().map((content, index): DirtreeFile => {
    const owner = { uid: 0, gid: 0, mode: 0o100644, target: '' as ByteString, xattrs: [] };
    const header = { ...owner, sizeBytes: content.length };
    const checksum = computeFileChecksum(header, content);
    write(ostreeObjectPath(checksum, 'file', true), encodeFilez(header, content, 1));
    return { name: `f${String(index).padStart(4, '0')}` as ByteString, checksum };
  });
  const rootTree = metadata('dirtree', encodeDirtree({ files, directories: [] }));
  const rootMeta = metadata(
    'dirmeta',
    encodeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] }),
  );
  const texts = { subject: 'many', body: '' };
  const links = { parent: undefined, related: [], rootTree, rootMeta };
  const bytes = encodeCommit({ metadata: [], timestampSec: 1n, ...texts, ...links });
  write('refs/heads/t', `${metadata('commit', bytes)}\n`);
  mkdirSync(join(root, 'objects'), { recursive: true });
  writeFileSync(join(root, 'config'), '[core]\nrepo_version=1\nmode=archive-z2\n');
  return { files: files.map(({ checksum }) => checksum), paths };
}

function contents(): Uint8Array[] {
  const small = Array.from({ length: FILES }, (_, index) =>
    Buffer.from(`file ${index}\n`.repeat(1 + (index % 300))),
  );
  return [...small, randomFillSync(Buffer.alloc(700_000)), Buffer.alloc(6_000_000, 'z')];
}

function filezPath(index: number): string {
  return `/${ostreeObjectPath(archive.files[index] ?? assert.fail(), 'file', true)}`;
}

async function pullOverHttp(server: FakeHttp, workers: number, signal?: AbortSignal) {
  using target = await makeTempRepository();
  const http = { ...QUICK, inFlight: { start: 4, min: 1, max: 12 } };
  const source = { kind: 'remote', url: server.url, http } as const;
  const { streamId, imageId, counts, traffic } = await pullCommit(target.repository, source, 't', {
    workers,
    signal,
    deltas: 'never',
  });
  return { ids: { streamId, imageId }, counts, traffic };
}

async function pullLocally(workers: number) {
  using target = await makeTempRepository();
  const source = { kind: 'local', path: temp.path } as const;
  const { streamId, imageId } = await pullCommit(target.repository, source, 't', { workers });
  return { streamId, imageId };
}

test('a pull with any number of threads stores the same commit, and requests each object once', async () => {
  const expected = await pullLocally(0);
  assert.deepEqual(await pullLocally(2), expected);
  await using server = await FakeHttp.start({ root: temp.path, latencyMs: 1 });
  for (const workers of [0, 1, 3]) {
    const { ids, counts, traffic } = await pullOverHttp(server, workers);
    assert.deepEqual(ids, expected);
    assert.equal(counts.filesFetched, archive.files.length);
    const { log, peak } = await server.read();
    assert.equal(traffic?.requests, log.length);
    const found = log.filter(({ status }) => status === 200).map(({ path }) => path);
    assert.equal(found.length, archive.paths.size);
    assert.deepEqual(new Set(found), archive.paths);
    assert.ok(peak <= 12 + workers * 2, `${peak} requests at once`);
    await server.reset();
  }
});

for (const fault of [
  { kind: 'status', status: 503, times: 1 },
  { kind: 'status', status: 200, body: 'no file', times: 1 },
  { kind: 'truncate', bytes: 3, times: 1 },
  { kind: 'reset', times: 1 },
] as const satisfies readonly Fault[]) {
  test(`threads recover from ${JSON.stringify(fault)}`, async () => {
    const expected = await pullLocally(0);
    // The second to last files are the large ones.
    const faults = [300, 600, 899, 900, 901].map((index) => ({ ...fault, path: filezPath(index) }));
    await using server = await FakeHttp.start({ root: temp.path, faults });
    assert.deepEqual((await pullOverHttp(server, 2)).ids, expected);
  });
}

test('a missing or corrupt object is reported alike with and without threads', async () => {
  await using server = await FakeHttp.start({
    root: temp.path,
    faults: [{ kind: 'status', status: 404, path: filezPath(700) }],
  });
  for (const workers of [0, 2]) {
    await assert.rejects(pullOverHttp(server, workers), (error) => {
      assert.ok(hasCode(error, 'OSTREE_OBJECT_MISSING'));
      assert.deepEqual(error.details['missing'], [`${archive.files[700]}.file`]);
      return true;
    });
  }
  await server.reset([{ kind: 'status', status: 200, body: 'bad', path: filezPath(700) }]);
  for (const workers of [0, 2]) {
    await assert.rejects(pullOverHttp(server, workers), (error) =>
      hasCode(error, 'OSTREE_HEADER_INVALID'),
    );
  }
});

test('an abort ends the threads with its reason', async () => {
  await using server = await FakeHttp.start({ root: temp.path, latencyMs: 10 });
  const reason = new Error('enough');
  const controller = new AbortController();
  const pulling = pullOverHttp(server, 2, controller.signal);
  setTimeout(() => controller.abort(reason), 400);
  await assert.rejects(pulling, reason);
});

test('a local file that is removed is missing for every thread', async () => {
  const path = join(temp.path, filezPath(800));
  const fresh = makeTempDir();
  writeArchive(fresh.path);
  rmSync(path.replace(temp.path, fresh.path));
  for (const workers of [0, 2]) {
    using target = await makeTempRepository();
    const source = { kind: 'local', path: fresh.path } as const;
    await assert.rejects(pullCommit(target.repository, source, 't', { workers }), (error) =>
      hasCode(error, 'OSTREE_OBJECT_MISSING'),
    );
  }
  fresh[Symbol.dispose]();
});
