import assert from 'node:assert/strict';
import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { ProgressEvent } from '#base/flow';
import { objectPath } from '#formats/fsverity';
import { createEd25519Verifier, parseEd25519Keys } from '#formats/ostree';
import { listCommitRefs, openCommitById } from '#work/commits';
import { needs } from '../../../test/support/capability.ts';
import { FakeHttp, type Fault } from '../../../test/support/fake-http.ts';
import { type OstreeFixture, unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../test/support/ostree-stored.ts';
import { EXPECTED_STREAMS } from '../../../test/support/ostree-streams.ts';
import {
  type PullCommitOptions,
  type PulledCommit,
  type PullTargets,
  pullCommit,
  pullCommits,
} from './index.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;
const TINY = 'c51efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb' as OstreeChecksum;
/** As the real tool: its xattr names, its printed ids, its trust. */
const AS_UPSTREAM = {
  reading: 'cfsctl',
  withUpstreamId: true,
  workers: 0,
  trust: { verifyBindings: false },
} as const;
const QUICK = { retry: { baseMs: 1, capMs: 4 } };

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree(
    'mini',
    'extra/repos',
    'extra/http',
    'r-corrupt',
    'r-flatpak',
    'r-tiny-archive',
  );
});
after(() => fixture[Symbol.dispose]());

function pathOf(key: string): { path: string; ref: string } {
  const [repository = '', ref = ''] = key.split(/:(.*)/s);
  const folder = repository.startsWith('mini/') ? `fxmini/${repository.slice(5)}` : repository;
  return { path: join(fixture.path, folder), ref };
}

function idsOf({ commit, upstreamId, streamId, imageId }: PulledCommit) {
  return { commit, stream_before: upstreamId, stream_after: streamId, image: imageId };
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`every fixture pulled from a local repository has the ids of composefs-ostree (${algorithm})`, async () => {
    using temp = await makeTempRepository(algorithm);
    for (const [key, expected] of Object.entries(EXPECTED_STREAMS)) {
      const { path, ref } = pathOf(key);
      const pulled = await pullCommit(temp.repository, { kind: 'local', path }, ref, AS_UPSTREAM);
      if (pulled.wasPresent) continue;
      const { stream_before, stream_after, image } = expected[algorithm];
      const { commit } = expected;
      assert.deepEqual(idsOf(pulled), { commit, stream_before, stream_after, image }, key);
    }
  });
}

test('every fixture pulled over HTTP has the ids of composefs-ostree', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  using temp = await makeTempRepository();
  for (const [key, expected] of Object.entries(EXPECTED_STREAMS)) {
    const { path, ref } = pathOf(key);
    const url = server.url + path.slice(fixture.path.length);
    const options = { ...AS_UPSTREAM, deltas: 'never' } as const;
    const pulled = await pullCommit(temp.repository, { kind: 'remote', url }, ref, options);
    if (pulled.wasPresent) continue;
    const { stream_before, stream_after, image } = expected.sha256;
    const { commit } = expected;
    assert.deepEqual(idsOf(pulled), { commit, stream_before, stream_after, image }, key);
  }
});

test('without the compatibility option, xattr names in the image have no trailing NUL', async () => {
  using temp = await makeTempRepository();
  const { path, ref } = pathOf('mini/r-archive:test/v1');
  const pulled = await pullCommit(temp.repository, { kind: 'local', path }, ref);
  assert.equal(pulled.imageId, EXPECTED_STREAMS['mini/r-archive:test/v1']?.sha256.image_fixed);
  const again = await pullCommit(temp.repository, { kind: 'local', path }, ref);
  assert.deepEqual([again.wasPresent, again.imageId], [true, pulled.imageId]);
});

for (const mode of ['bare', 'bare-user', 'bare-split-xattrs']) {
  test(`a ${mode} repository gives the same commit as an archive repository`, async (t) => {
    if (!needs(t, 'root')) return;
    using temp = await makeTempRepository();
    const path = join(fixture.path, `fxmini/r-${mode}`);
    const pulled = await pullCommit(
      temp.repository,
      { kind: 'local', path },
      'test/v1',
      AS_UPSTREAM,
    );
    const expected = EXPECTED_STREAMS['mini/r-archive:test/v1']?.sha256;
    assert.equal(pulled.upstreamId, expected?.stream_before);
    assert.equal(pulled.imageId, expected?.image);
  });
}

test('a pull with threads gives the same result as one without', async () => {
  using temp = await makeTempRepository();
  const { path, ref } = pathOf('r-names:names');
  const source = { kind: 'local', path } as const;
  const pulled = await pullCommit(temp.repository, source, ref, { ...AS_UPSTREAM, workers: 2 });
  assert.equal(pulled.streamId, EXPECTED_STREAMS['r-names:names']?.sha256.stream_after);
});

const REFUSED: Readonly<Record<string, string>> = {
  '04-header-size-bigger': 'OSTREE_PAYLOAD_INVALID',
  '06-header-rdev': 'OSTREE_HEADER_INVALID',
  '08-prefix-len-too-long': 'OSTREE_HEADER_INVALID',
  '12-xattr-name-without-nul': 'OSTREE_XATTR_INVALID',
  '14-missing-file': 'OSTREE_OBJECT_MISSING',
  '16-missing-dirmeta': 'OSTREE_OBJECT_MISSING',
  '18-dirtree-slash-name': 'OSTREE_NAME_INVALID',
  '20-dirtree-empty-name': 'OSTREE_NAME_INVALID',
  '22-dirtree-file-and-dir-same-name': 'OSTREE_NAME_DUPLICATE',
  '24-dirtree-checksum-31-bytes': 'OSTREE_CHECKSUM_LENGTH',
  '26-dirtree-invalid-utf8': 'GVARIANT_NOT_NORMAL',
  '28-commit-truncated': 'OSTREE_CHECKSUM_MISMATCH',
  '30-binding-other-ref': 'OSTREE_BINDING_MISMATCH',
  '32-ref-junk': 'OSTREE_REF_INVALID',
  '38-dirmeta-xattrs-unsorted': 'OSTREE_XATTR_INVALID',
  '40-mode-type-bits-missing': 'OSTREE_MODE_INVALID',
  '42-regular-with-symlink-target': 'OSTREE_CHECKSUM_MISMATCH',
  '44-dirtree-cycle-impossible-self-name': 'OSTREE_NAME_INVALID',
};
const ACCEPTED = [
  '00-good',
  '02-payload-truncated',
  '10-xattrs-unsorted-on-wire-sum-sorted',
  '34-ref-no-newline',
  '36-symlink-empty-target',
];

test('corrupt repositories are accepted or refused with the same code, local and remote, and a refusal sets no ref', async () => {
  await using server = await FakeHttp.start({ root: join(fixture.path, 'r-corrupt') });
  for (const name of [...Object.keys(REFUSED), ...ACCEPTED]) {
    for (const source of [
      { kind: 'local', path: join(fixture.path, 'r-corrupt', name) },
      { kind: 'remote', url: `${server.url}/${name}`, http: QUICK },
    ] as const) {
      using temp = await makeTempRepository();
      const code = await pullCommit(temp.repository, source, 't', { workers: 0 }).then(
        () => undefined,
        (error: unknown) => (isOnecopyError(error) ? error.code : Promise.reject(error)),
      );
      assert.equal(code, REFUSED[name], `${name} ${source.kind}`);
      assert.equal(listCommitRefs(temp.repository).length, code === undefined ? 1 : 0, name);
    }
  }
});

/** Rows of http-expected.tsv: repository, arguments, exit code, partial markers, requests of libostree. */
const HTTP_ROWS = readFileSync(
  new URL('../../../test/golden/ostree/extra/http-expected.tsv', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'))
  .map(([name = '', argument = '', exit = '', , , markers = '', requests = '']) => ({
    name,
    argument,
    exit,
    markers,
    requests,
  }));

/** Where composefs-ostree and we serve what libostree refuses: a mode in the summary's config, and a ref that only refs/heads has. */
const BETTER_THAN_LIBOSTREE = ['s10-summary-mode-bare t', 's5-summary-stale only-in-refs'];

/** The arguments of `ostree pull` as those of ours. */
function requestOf(argument: string): { targets: PullTargets; options: PullCommitOptions } {
  const words = argument.split(' ');
  const subpaths = words.flatMap((word) => /^--subpath=(.*)$/.exec(word)?.[1] ?? []);
  return {
    targets: words.includes('--mirror') ? 'all' : words.filter((word) => !word.startsWith('--')),
    options: {
      workers: 0,
      commitOnly: words.includes('--commit-metadata-only'),
      subpaths: subpaths.length === 0 ? undefined : subpaths,
    },
  };
}

test('every remote of the table is pulled or refused with at most the requests of libostree', async () => {
  assert.equal(HTTP_ROWS.length, 17);
  await using server = await FakeHttp.start({ root: join(fixture.path, 'http') });
  for (const { name, argument, exit, markers, requests } of HTTP_ROWS) {
    await server.reset();
    using temp = await makeTempRepository();
    const { repository } = temp;
    const source = { kind: 'remote', url: `${server.url}/${name}`, http: QUICK } as const;
    const { targets, options } = requestOf(argument);
    const label = `${name} ${argument}`;
    const result = await pullCommits(repository, source, targets, options).then(
      () => '0',
      (error: unknown) => (isOnecopyError(error) ? '1' : Promise.reject(error)),
    );
    const isBetter = BETTER_THAN_LIBOSTREE.includes(label);
    assert.equal(result, isBetter ? '0' : exit, label);
    const { log } = await server.read();
    const ours = log.filter(({ path }) => !/\.(?:filez|dirtree|dirmeta)$/.test(path));
    const theirs = requests.split(' ; ').length;
    const list = ours.map(({ path, status }) => `${path} ${status}`).join(' ; ');
    if (!isBetter) assert.ok(ours.length <= theirs, `${label}: ${list}`);
    if (options.commitOnly === true)
      assert.equal(log.length, ours.length, 'no object but the commit');
    const named = targets === 'all' ? ['t'] : targets.filter((one) => !/^[0-9a-f]{64}$/.test(one));
    const expected = result === '0' ? named.map((one) => one.replace(/@.*$/, '')) : [];
    const isPartial = markers !== '-';
    const whole = listCommitRefs(repository).map(({ name: ref }) => ref);
    const partial = repository.refs.list('streams', 'ostree-partial').map(({ name: ref }) => ref);
    assert.deepEqual([whole, partial], isPartial ? [[], expected] : [expected, []], label);
  }
});

test('a fault at any request gives the same result with bounded retries, and sets the ref only when complete', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/r-tiny-archive`, http: QUICK } as const;
  let total = 0;
  {
    using temp = await makeTempRepository();
    await pullCommit(temp.repository, source, 't', { workers: 0 });
    total = (await server.read()).log.length;
  }
  assert.ok(total >= 9, `${total} requests`);
  for (const fault of [
    { kind: 'reset' },
    { kind: 'truncate', bytes: 3 },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429 },
    { kind: 'garbage' },
    { kind: 'status', status: 200, body: 'corrupt' },
  ] satisfies Omit<Fault, 'index'>[]) {
    for (let index = 0; index < total; index++) {
      await server.reset([{ ...fault, index }]);
      using temp = await makeTempRepository();
      const label = `${JSON.stringify(fault)} at ${index}`;
      let failure: unknown;
      const pulled = await pullCommit(temp.repository, source, 't', { workers: 0 }).catch(
        (error: unknown) => {
          failure = error;
        },
      );
      // What has no checksum (summary, index) cannot be told from damage: then the pull may end, but never with a ref.
      if (failure !== undefined) {
        assert.ok(isOnecopyError(failure) && failure.kind === 'format', `${label}: ${failure}`);
        assert.equal(listCommitRefs(temp.repository).length, 0, label);
      } else {
        assert.equal(pulled?.commit, TINY, label);
        assert.equal(
          pulled?.streamId,
          EXPECTED_STREAMS['mini/r-tiny-archive:t']?.sha256.stream_after,
          label,
        );
      }
      // Requests that were behind the broken one on its connection are sent again.
      assert.ok((await server.read()).log.length <= total + 9, label);
    }
  }
});

test('an interrupted pull is resumed without fetching any object twice', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  // One request at a time, so that at most one answer is under way when a round ends.
  const http = { ...QUICK, inFlight: { start: 1, min: 1, max: 1 } };
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive`, http } as const;
  using temp = await makeTempRepository();
  const seen = new Set<string>();
  let rounds = 0;
  for (let pulled: PulledCommit | undefined; pulled === undefined; rounds++) {
    await server.reset();
    const controller = new AbortController();
    let objects = 0;
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'advanced' && objects++ > rounds * 12) controller.abort();
    };
    const { signal } = controller;
    const options = { workers: 0, deltas: 'never', signal, onProgress } as const;
    pulled = await pullCommit(temp.repository, source, 'test/v1', options).catch(() => undefined);
    const paths = (await server.read()).log
      .filter(({ path, status }) => status === 200 && path.includes('/objects/'))
      .map(({ path }) => path);
    const underWay = pulled === undefined ? paths.pop() : undefined;
    for (const path of paths) assert.ok(!seen.has(path), `${path} twice, in round ${rounds}`);
    for (const path of paths) seen.add(path);
    assert.ok(underWay === undefined || !seen.has(underWay));
    assert.equal(listCommitRefs(temp.repository).length, pulled === undefined ? 0 : 1);
  }
  assert.ok(rounds > 4, `${rounds} rounds`);
});

test('objects of the parent commit and of the current commit of the ref are not fetched', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  const options = { workers: 0, deltas: 'never' } as const;
  using temp = await makeTempRepository();
  await pullCommit(temp.repository, source, 'test/v1', options);
  const pulled = await pullCommit(temp.repository, source, 'test/main', options);
  assert.equal(pulled.commit, V2);
  assert.ok(
    pulled.counts.filesKnown > 25 && pulled.counts.filesFetched < 12,
    JSON.stringify(pulled.counts),
  );
  using fresh = await makeTempRepository();
  const alone = await pullCommit(fresh.repository, source, 'test/main', options);
  assert.equal(pulled.streamId, alone.streamId);
});

test('an object that the base commit lacks is fetched, so that the published commit is complete', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  const options = { workers: 0, deltas: 'never' } as const;
  using temp = await makeTempRepository();
  const { repository } = temp;
  await pullCommit(repository, source, 'test/v1', options);
  const { objects } = openCommitById(repository, V1);
  const ids = objects.objectRefs.filter((id) => repository.objects.has(id));
  assert.ok(ids.length > 5);
  for (const id of ids) unlinkSync(join(repository.root.label, 'objects', objectPath(id)));
  const pulled = await pullCommit(repository, source, 'test/main', options);
  const stored = openCommitById(repository, pulled.commit).objects;
  for (const id of stored.objectRefs) assert.ok(repository.objects.has(id), id);
  // What is inline is in the stream of the base itself.
  assert.ok(pulled.counts.filesKnown > 0 && pulled.counts.filesFetched > 5);
});

for (const from of [undefined, 'test/v1']) {
  test(`a static delta from ${from ?? 'nothing'} gives the same commit as single objects`, async () => {
    await using server = await FakeHttp.start({ root: fixture.path });
    const archive = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
    const source = { kind: 'remote', url: `${server.url}/fxmini/r-deltas`, http: QUICK } as const;
    using plain = await makeTempRepository();
    const expected = await pullCommit(plain.repository, archive, 'test/main', { deltas: 'never' });
    using temp = await makeTempRepository();
    if (from !== undefined) await pullCommit(temp.repository, archive, from);
    await server.reset();
    const notes: string[] = [];
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'note') notes.push(event.text);
    };
    const options = { deltas: 'require', workers: 0, onProgress } as const;
    const pulled = await pullCommit(temp.repository, source, 'test/main', options);
    assert.equal(pulled.delta?.name, from === undefined ? V2 : `${V1}-${V2}`);
    assert.deepEqual([pulled.commit, pulled.streamId], [V2, expected.streamId]);
    const { log } = await server.read();
    assert.ok(!log.some(({ path }) => path.endsWith('.filez')), 'no file is fetched alone');
    assert.match(notes.join('\n'), /Using static delta/);
  });
}

test('a pull that requires a delta is refused if there is none', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  using temp = await makeTempRepository();
  const options = { workers: 0, deltas: 'require' } as const;
  await assert.rejects(pullCommit(temp.repository, source, 'test/v1', options), {
    code: 'OSTREE_DELTA_NOT_FOUND',
  });
});

test('a pull with a corrupt delta part falls back to single objects, unless deltas are required', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const url = `${server.url}/fxmini/r-deltas`;
  const source = { kind: 'remote', url, http: QUICK } as const;
  for (const fault of [
    { kind: 'status', status: 200, body: 'bad', path: 'M/0' },
    { kind: 'status', status: 404, path: 'Zs/0' },
    { kind: 'status', status: 200, body: 'bad', path: 'Zs/0' },
    { kind: 'status', status: 200, body: 'bad', path: 'superblock' },
  ] satisfies Fault[]) {
    await server.reset([fault]);
    using temp = await makeTempRepository();
    const pulled = await pullCommit(temp.repository, source, 'test/main', { workers: 0 });
    assert.equal(pulled.commit, V2);
    if (fault.path === 'M/0') continue;
    assert.equal(pulled.delta, undefined);
    using strict = await makeTempRepository();
    await assert.rejects(pullCommit(strict.repository, source, 'test/main', { deltas: 'require' }));
    assert.equal(listCommitRefs(strict.repository).length, 0);
  }
});

test('a ref of a flatpak remote is resolved through the index of the requested subset', async () => {
  await using server = await FakeHttp.start({ root: fixture.path, etags: true });
  const source = { kind: 'remote', url: `${server.url}/r-flatpak` } as const;
  using temp = await makeTempRepository();
  const options = { subset: 'aarch64', workers: 0, deltas: 'never' } as const;
  const ref = 'app/org.example.Hi/aarch64/stable';
  const pulled = await pullCommit(temp.repository, source, ref, options).catch((error: unknown) => {
    assert.fail(String(error));
  });
  assert.equal(pulled.ref, ref);
  await server.reset();
  assert.equal((await pullCommit(temp.repository, source, ref, options)).wasPresent, true);
  const { log } = await server.read();
  assert.ok(!log.some(({ path }) => path.includes('/summaries/')), 'the subsummary is cached');
});

test('an unchanged summary is not downloaded again', async () => {
  await using server = await FakeHttp.start({ root: fixture.path, etags: true });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-deltas` } as const;
  using temp = await makeTempRepository();
  await pullCommit(temp.repository, source, 'test/v1', { workers: 0 });
  await server.reset();
  await pullCommit(temp.repository, source, 'test/main', { workers: 0 });
  const { log } = await server.read();
  assert.equal(log.find(({ path }) => path.endsWith('/summary'))?.status, 304);
});

test('signatures of commits and summaries are required where a policy demands them', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const root = join(fixture.path, 'fxmini');
  const [key] = parseEd25519Keys(readFileSync(join(root, 'ed25519.public'), 'utf8'));
  assert.ok(key !== undefined);
  const right = [createEd25519Verifier({ trusted: [key] })];
  const wrong = [createEd25519Verifier({ trusted: [new Uint8Array(key).fill(7)] })];
  const pull = async (
    name: string,
    trust: PullCommitOptions['trust'],
    kind: 'remote' | 'local',
  ) => {
    using temp = await makeTempRepository();
    const source =
      kind === 'remote'
        ? ({ kind, url: `${server.url}/fxmini/${name}` } as const)
        : ({ kind, path: join(root, name) } as const);
    const pulled = await pullCommit(temp.repository, source, 'test/main', { workers: 0, trust });
    return pulled.signedBy;
  };
  for (const kind of ['remote', 'local'] as const) {
    assert.equal((await pull('r-signed', { commitGates: right }, kind)).length, 1);
    await assert.rejects(pull('r-signed', { commitGates: wrong }, kind), {
      code: 'OSTREE_SIGNATURE_INVALID',
    });
    await assert.rejects(pull('r-archive', { commitGates: right }, kind), {
      code: 'OSTREE_SIGNATURE_MISSING',
    });
  }
  await pull('r-signed', { summaryGates: right }, 'remote');
  await assert.rejects(pull('r-signed', { summaryGates: wrong }, 'remote'), {
    code: 'OSTREE_SIGNATURE_INVALID',
  });
  await assert.rejects(pull('r-deltas', { summaryGates: right }, 'remote'), {
    code: 'OSTREE_SIGNATURE_MISSING',
  });
  await assert.rejects(pull('r-archive', { summaryGates: right }, 'remote'), {
    code: 'OSTREE_SIGNATURE_MISSING',
  });
});

test('a policy refuses an older commit, and a commit can be stored under a chosen ref', async () => {
  const path = join(fixture.path, 'fxmini/r-archive');
  const source = { kind: 'local', path } as const;
  using temp = await makeTempRepository();
  await pullCommit(temp.repository, source, `mine@${V2}`, { workers: 0 });
  const trust = { notOlderThan: 'current' } as const;
  await assert.rejects(pullCommit(temp.repository, source, `mine@${V1}`, { workers: 0, trust }), {
    code: 'OSTREE_DOWNGRADE',
  });
  assert.equal(listCommitRefs(temp.repository)[0]?.commit, V2);
  await pullCommit(temp.repository, source, `mine@${V1}`, { workers: 0 });
  assert.equal(listCommitRefs(temp.repository)[0]?.commit, V1);
  await assert.rejects(pullCommit(temp.repository, source, 'nowhere', { workers: 0 }), {
    code: 'OSTREE_REF_NOT_FOUND',
  });
});

test('an aborted pull fails with the reason and sets no ref', async () => {
  await using server = await FakeHttp.start({ root: fixture.path, latencyMs: 20 });
  using temp = await makeTempRepository();
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 90);
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  await assert.rejects(
    pullCommit(temp.repository, source, 'test/v1', { signal: controller.signal }),
    (error) => error === reason,
  );
  assert.equal(listCommitRefs(temp.repository).length, 0);
});
