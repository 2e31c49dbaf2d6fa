import { deepEqual, equal, match } from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { commitStreamName, encodeCommitStream } from '#formats/ostree';
import { initRepository, type Repository } from '#stores/composefs';
import { checkEverything } from '#work/check';
import { checkCommit, openCommit } from '#work/commits';
import { pullCommit } from '#work/pull-commit';
import { type OstreeFixture, unpackOstree } from '../support/ostree-fixture.ts';
import { runCli } from '../support/run-cli.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini');
});
after(() => fixture[Symbol.dispose]());

interface Place {
  readonly path: string;
  readonly source: string;
  readonly repository: Repository;
  pull(commit: OstreeChecksum, verifyReused?: boolean): Promise<unknown>;
  /** What a whole check and the check of the commit say. */
  check(): Promise<string[]>;
}

async function withCommit(work: (place: Place) => Promise<void>): Promise<void> {
  using temp = makeMemoryDir();
  const path = join(temp.path, 'repo');
  const source = join(fixture.path, 'fxmini', 'r-archive');
  const config = { algorithm: 'sha256', insecure: true } as const;
  using repository = (await initRepository(path, config)).repository;
  const address = { kind: 'local', path: source } as const;
  const pull = async (commit: OstreeChecksum, verifyReused = false) =>
    await pullCommit(repository, address, commit, { workers: 0, verifyReused });
  const check = async () => {
    const { findings } = await checkEverything(repository);
    const { findings: ofCommit } = await checkCommit(repository, V1, { content: true });
    return [...findings.map(({ kind }) => kind), ...ofCommit.map(({ code }) => code)];
  };
  await pull(V1);
  await work({ path, source, repository, pull, check });
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  writeFileSync(path, bytes);
}

const PARTS: Readonly<Record<string, (repository: Repository) => ObjectId>> = {
  'the content of a file': (repository) => {
    const { objects } = openCommit(repository, V1);
    return objects.objectRefs[0] as ObjectId;
  },
  'the image': (repository) => openCommit(repository, V1).imageId as ObjectId,
  'the stream': (repository) => openCommit(repository, V1).streamId,
};

for (const [what, find] of Object.entries(PARTS)) {
  test(`a pull of the same commit replaces ${what} that fsck found damaged`, async () => {
    await withCommit(async ({ path, repository, pull, check }) => {
      flip(join(path, 'objects', objectPath(find(repository))));
      equal((await checkEverything(repository)).ok, false);
      await pull(V1);
      deepEqual(await check(), []);
      deepEqual(repository.suspects.read(), { ids: new Set(), streams: new Set() });
    });
  });

  test(`a pull with verifyReused replaces ${what} without an fsck before`, async () => {
    await withCommit(async ({ path, repository, pull, check }) => {
      flip(join(path, 'objects', objectPath(find(repository))));
      await pull(V1, true);
      deepEqual(await check(), []);
    });
  });
}

test('a pull of another commit does not reuse a file that fsck found damaged', async () => {
  await withCommit(async ({ path, repository, pull, check }) => {
    for (const id of openCommit(repository, V1).objects.objectRefs) {
      flip(join(path, 'objects', objectPath(id)));
    }
    await checkEverything(repository);
    await pull(V2);
    deepEqual((await checkCommit(repository, V2, { content: true })).findings, []);
    await pull(V1);
    deepEqual(await check(), []);
  });
});

test('fsck reports an image of a commit that does not match its files', async () => {
  await withCommit(async ({ path, repository, pull }) => {
    await pull(V2);
    const image = openCommit(repository, V2).imageId;
    const { content, objectRefs } = openCommit(repository, V1).objects;
    const stream = await encodeCommitStream(
      { content, objectRefs },
      { algorithm: 'sha256', image: image as ObjectId },
    );
    repository.streams.publish(commitStreamName(V1), stream);
    const { findings } = await checkCommit(repository, V1, { content: true });
    deepEqual(
      findings.map(({ code }) => code),
      ['IMAGE_MISMATCH'],
    );
    equal(runCli(['fsck'], { repo: path }).status, 3);
  });
});

test('fsck --repair --from replaces damaged files of commits and rebuilds lost images', async () => {
  await withCommit(async ({ path, source, repository }) => {
    flip(
      join(path, 'objects', objectPath(PARTS['the content of a file']?.(repository) as ObjectId)),
    );
    rmSync(join(path, 'objects', objectPath(openCommit(repository, V1).imageId as ObjectId)));
    repository[Symbol.dispose]();
    const ls = runCli(['ls', V1, '/'], { repo: path });
    equal(ls.status, 0, ls.stderr);
    const repair = runCli(['fsck', '--repair', '--from', `ostree-local:${source}`], { repo: path });
    equal(repair.status, 0, repair.stderr);
    match(repair.stdout, /commits: {3}1\/1 ok[\s\S]*Repaired: object-digest-mismatch/);
    equal(existsSync(join(path, 'streams', 'refs')), false);
  });
});

test('fsck --repair of a commit by its id pulls it again, without an fsck of other commits before', async () => {
  await withCommit(async ({ path, source, repository }) => {
    const file = PARTS['the content of a file']?.(repository) as ObjectId;
    flip(join(path, 'objects', objectPath(file)));
    repository[Symbol.dispose]();
    const from = ['--from', `ostree-local:${source}`];
    const alone = runCli(['fsck', '--repair', V1], { repo: path });
    equal(alone.status, 3, alone.stderr);
    match(alone.stdout, /CONTENT_DAMAGED/);
    const repair = runCli(['fsck', '--repair', ...from, V1], { repo: path });
    equal(repair.status, 0, repair.stderr);
    match(repair.stdout, /Repaired: CONTENT_DAMAGED/);
    equal(runCli(['fsck'], { repo: path }).status, 0);
  });
});

test('fsck states for each finding what --repair does, and --repair does that', async () => {
  await withCommit(async ({ path, source, repository }) => {
    const file = PARTS['the content of a file']?.(repository) as ObjectId;
    flip(join(path, 'objects', objectPath(file)));
    repository[Symbol.dispose]();
    for (const args of [['fsck'], ['fsck', '--repair', '--dry-run']]) {
      const { stdout, status } = runCli(args, { repo: path });
      equal(status, 3, stdout);
      match(
        stdout,
        /object-digest-mismatch.*\n(?: +used by.*\n)* +fsck --repair: pull again with --from/,
      );
    }
    const from = ['--from', `ostree-local:${source}`];
    equal(runCli(['fsck', '--repair', ...from], { repo: path }).status, 0);
  });
});
