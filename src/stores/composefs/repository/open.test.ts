import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, hasCode } from '#base/errors';
import { Dir, setSyscallObserver, tryFlock, unlockFlock } from '#host';
import { watchDescriptors } from '../../../../test/support/fd-leak.ts';
import { readGolden, unpackGoldenRepository } from '../../../../test/support/golden-repo.ts';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import {
  ensureRepository,
  initRepository,
  openRepository,
  readRepositoryAlgorithm,
  resetMetadata,
  userRepository,
} from '../index.ts';

/** Linux asm-generic/errno.h. */
const EOPNOTSUPP = 95;

const INIT = readGolden<readonly { readonly [key: string]: string }[]>('cli/init.json');

function goldenMeta(name: string): string {
  return (
    INIT.map((entry) => entry[`meta.json of $W/${name}`]).find((text) => text !== undefined) ?? ''
  );
}

function withCode(code: ErrorCode, text = '') {
  return (error: unknown) => hasCode(error, code) && error.message.includes(text);
}

async function init(path: string, config: Parameters<typeof initRepository>[1]): Promise<boolean> {
  const { repository, created } = await initRepository(path, config);
  repository[Symbol.dispose]();
  return created;
}

test('init has the outcome of cfsctl for each combination of options', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const r = join(temp.path, 'r');
  const sha512 = { algorithm: 'sha512', insecure: true } as const;
  equal(await init(r, sha512), true);
  equal(await init(r, sha512), false);
  await rejects(
    init(r, { algorithm: 'sha256', insecure: true }),
    withCode('REPO_EXISTS', 'found one with algorithm: fsverity-sha512-12, erofs_version: V1'),
  );
  await rejects(
    init(r, { ...sha512, formats: { default: 2, extra: [] } }),
    withCode('REPO_EXISTS', 'erofs_version: V2'),
  );
  equal(await init(r, { algorithm: 'sha512' }), false, 'whether it is secure is not compared');
  const kept = await ensureRepository(r, { ...sha512, formats: { default: 2, extra: [] } });
  equal(kept.outcome, 'opened');
  deepEqual(kept.repository.formats, { default: 1, extra: [] });
  kept.repository[Symbol.dispose]();
  await rejects(ensureRepository(r, { algorithm: 'sha256' }), withCode('ALGORITHM_MISMATCH'));
  await resetMetadata(r);
  equal(await init(r, { algorithm: 'sha256', insecure: true }), true);
  equal(readFileSync(join(r, 'meta.json'), 'utf8'), goldenMeta('r'));
});

test('init creates parents, and makes the directory accessible only to its owner', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'deep/er/r');
  equal(await init(path, { algorithm: 'sha512', insecure: true }), true);
  equal(statSync(path).mode & 0o777, 0o700);
  equal(statSync(join(temp.path, 'deep/er')).mode & 0o777, 0o777 & ~process.umask());
  deepEqual(readdirSync(path), ['meta.json']);
  equal(statSync(join(path, 'meta.json')).mode & 0o777, 0o644 & ~process.umask());
});

for (const [name, formats] of [
  ['v0', 0],
  ['v21', 1],
  ['v2g', 2],
] as const) {
  test(`init writes the meta.json that cfsctl writes for EROFS V${formats}`, async () => {
    using temp = makeTempDir();
    const path = join(temp.path, 'r');
    await init(path, {
      algorithm: 'sha512',
      insecure: true,
      formats: { default: formats, extra: [] },
    });
    equal(readFileSync(join(path, 'meta.json'), 'utf8'), goldenMeta(name));
    using repository = await openRepository(path);
    deepEqual(repository.versions, [formats]);
  });
}

test('a secure init on a filesystem without fs-verity fails and leaves nothing behind', async (t) => {
  using temp = makeTempDir();
  const path = join(temp.path, 'secure');
  try {
    await init(path, { algorithm: 'sha512' });
    t.diagnostic('this filesystem has fs-verity');
    using repository = await openRepository(path, { requireVerity: true });
    equal(repository.insecure, false);
  } catch (error) {
    ok(hasCode(error, 'FSVERITY_UNSUPPORTED'), String(error));
    equal(existsSync(path), false);
  }
});

test('a failing init does not remove a directory in which another init is at work', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const outcomes: string[] = [];
  const create = async (path: string, insecure: boolean) => {
    try {
      await init(path, { algorithm: 'sha256', insecure });
      outcomes.push('created or found');
    } catch (error) {
      ok(hasCode(error, 'FSVERITY_UNSUPPORTED'), String(error));
      outcomes.push('unsupported');
    }
  };
  // Simulates filesystems without fs-verity.
  setSyscallObserver((syscall) => (syscall === 'ioctl' ? EOPNOTSUPP : undefined));
  try {
    for (let round = 0; round < 20; round += 1) {
      const path = join(temp.path, `${round}`);
      const late = async () => {
        for (let turn = 0; turn < round; turn += 1) await Promise.resolve();
        await create(path, true);
      };
      await Promise.all([create(path, false), late(), create(path, false)]);
      (await openRepository(path))[Symbol.dispose]();
    }
  } finally {
    setSyscallObserver(undefined);
  }
  ok(outcomes.filter((outcome) => outcome === 'created or found').length >= 20);
  ok(outcomes.includes('unsupported'));
});

test('open distinguishes a missing directory from missing metadata', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  await rejects(openRepository(join(temp.path, 'none')), withCode('REPO_NOT_FOUND'));
  await rejects(openRepository(temp.path), withCode('REPO_METADATA_MISSING'));
  mkdirSync(join(temp.path, 'objects'));
  await rejects(openRepository(temp.path), withCode('REPO_METADATA_MISSING'));
  equal(readRepositoryAlgorithm(temp.path), undefined);
});

test('init never makes a repository of a directory with other files, and does not change it', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const config = { algorithm: 'sha256', insecure: true } as const;
  const cases: readonly (readonly [entries: readonly string[], foreign: string | undefined])[] = [
    [['passwd', 'ssh/'], 'passwd'],
    [['config', 'objects/', 'refs/'], 'config'],
    [['objects/', 'z'], 'z'],
    [['.onecopy/', 'images/', 'lost+found/', 'objects/', 'streams/'], undefined],
    [['notes', 'objects/', 'streams/'], undefined],
  ];
  for (const [at, [entries, foreign]] of cases.entries()) {
    const path = join(temp.path, `${at}`);
    for (const entry of entries) mkdirSync(join(path, entry), { recursive: true });
    const refusal = withCode(
      foreign === undefined ? 'REPO_METADATA_MISSING' : 'REPO_DIRECTORY_FOREIGN',
    );
    await rejects(openRepository(path), refusal);
    if (foreign === undefined) {
      await init(path, config);
      continue;
    }
    await rejects(initRepository(path, config), refusal);
    await rejects(ensureRepository(path, config), refusal);
    await rejects(resetMetadata(path), refusal);
    deepEqual(
      readdirSync(path),
      entries.map((entry) => entry.replace('/', '')),
    );
  }
});

test('open refuses another algorithm, and required fs-verity that is not enabled', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  await init(path, { algorithm: 'sha256', insecure: true });
  equal(readRepositoryAlgorithm(path), 'sha256');
  await rejects(openRepository(path, { algorithm: 'sha512' }), withCode('ALGORITHM_MISMATCH'));
  await rejects(openRepository(path, { requireVerity: true }), withCode('VERITY_NOT_ENABLED'));
  using repository = await openRepository(path, { algorithm: 'sha256', erofsVersion: 2 });
  deepEqual([repository.insecure, repository.versions], [true, [2]]);
});

test('open accepts a directory handle and does not close it', async () => {
  using temp = makeTempDir();
  await init(join(temp.path, 'r'), { algorithm: 'sha256', insecure: true });
  using dir = temp.dir.openDir('r');
  {
    using repository = await openRepository(dir);
    equal(repository.algorithm, 'sha256');
  }
  equal(dir.stat('meta.json')?.type, 'file');
});

for (const [name, algorithm, version] of [
  ['basic/repo-sha256-v1', 'sha256', 1],
  ['basic/repo-sha512-v2', 'sha512', 2],
] as const) {
  test(`a repository without meta.json is readable, not writable, and restored from its images: ${name}`, async () => {
    using temp = makeTempDir();
    const path = unpackGoldenRepository(name, temp.path);
    rmSync(join(path, 'meta.json'));
    {
      using repository = await openRepository(path);
      const { upgraded, versions } = repository;
      deepEqual([repository.algorithm, upgraded, versions], [algorithm, false, [version]]);
      throws(() => repository.ensureWritable(), withCode('REPO_METADATA_MISSING'));
      equal(existsSync(join(path, 'meta.json')), false);
    }
    await rejects(
      openRepository(path, { algorithm: algorithm === 'sha256' ? 'sha512' : 'sha256' }),
      withCode('ALGORITHM_MISMATCH'),
    );
    const { repository, outcome } = await ensureRepository(path, { algorithm });
    repository[Symbol.dispose]();
    equal(outcome, 'upgraded');
    using again = await openRepository(path);
    deepEqual([again.upgraded, again.versions], [false, [version]]);
    again.ensureWritable();
  });
}

test('a repository without meta.json and images is upgraded to V2', async () => {
  using temp = makeTempDir();
  const path = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  for (const name of ['meta.json', 'images']) rmSync(join(path, name), { recursive: true });
  using repository = await openRepository(path, { upgrade: true });
  deepEqual(repository.versions, [2]);
});

test('resetMetadata keeps only the objects', async () => {
  using temp = makeTempDir();
  const path = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  await resetMetadata(path);
  deepEqual(readdirSync(path), ['objects']);
});

test('readers share the lock, and a reset waits for them no longer than its time-out', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  await init(path, { algorithm: 'sha256', insecure: true });
  const notes: string[] = [];
  {
    using _one = await openRepository(path);
    using _two = await openRepository(path);
    await rejects(
      resetMetadata(path, {
        timeoutMs: 20,
        onProgress: (event) => void (event.type === 'note' && notes.push(event.text)),
      }),
      withCode('REPO_LOCKED'),
    );
  }
  equal(notes.length, 1);
  await resetMetadata(path, { timeoutMs: 0 });
});

test('waiting for the lock ends with the reason of the signal', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  await init(path, { algorithm: 'sha256', insecure: true });
  using _reader = await openRepository(path);
  const reason = new Error('enough');
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 5);
  await rejects(resetMetadata(path, { signal: controller.signal }), (error) => error === reason);
});

test('the repository of a user is in the home directory', () => {
  equal(userRepository('/home/a'), '/home/a/.var/lib/composefs');
});

test('a meta.json that is a directory is reported as a host error', async () => {
  using temp = makeTempDir();
  mkdirSync(join(temp.path, 'meta.json'));
  await rejects(openRepository(temp.path), withCode('SYSCALL_FAILED'));
  rmSync(join(temp.path, 'meta.json'), { recursive: true });
  writeFileSync(join(temp.path, 'meta.json'), 'x'.repeat(2 << 20));
  await rejects(openRepository(temp.path), withCode('SYSCALL_FAILED'));
});

test('if the exclusive lock is not available in time, the shared lock is not waited for either', async () => {
  using temp = makeTempDir();
  const made = await initRepository(join(temp.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using repository = made.repository;
  using other = Dir.open(join(temp.path, 'repo'));
  unlockFlock(repository.root);
  ok(tryFlock(other, 'exclusive'), 'another process took the lock');
  await rejects(
    repository.exclusively({ timeoutMs: 0 }, async () => {}),
    (error) => hasCode(error, 'REPO_LOCKED'),
  );
  throws(
    () => repository.ensureWritable(),
    (error) => hasCode(error, 'REPO_LOCKED'),
  );
  unlockFlock(other);
  repository.ensureWritable();
  equal(tryFlock(other, 'exclusive'), false, 'the shared lock is there again');
});

const FOLDERS = [
  'objects',
  'objects/ab',
  'streams',
  'images',
  'streams/refs',
  'images/refs',
  '.onecopy',
  '.onecopy/suspect',
  '.onecopy/partial',
];
for (const folder of FOLDERS) {
  test(`a repository whose ${folder} is a symlink is refused, also by a reset`, async () => {
    using temp = makeTempDir();
    const path = join(temp.path, 'r');
    await init(path, { algorithm: 'sha256', insecure: true });
    mkdirSync(join(temp.path, 'elsewhere'));
    mkdirSync(dirname(join(path, folder)), { recursive: true });
    rmSync(join(path, folder), { recursive: true, force: true });
    symlinkSync(join(temp.path, 'elsewhere'), join(path, folder));
    await rejects(openRepository(path), withCode('REPO_ENTRY_INVALID'));
    await rejects(resetMetadata(path), withCode('REPO_ENTRY_INVALID'));
    await rejects(
      initRepository(path, { algorithm: 'sha256', insecure: true }),
      withCode('REPO_ENTRY_INVALID'),
    );
  });
}
