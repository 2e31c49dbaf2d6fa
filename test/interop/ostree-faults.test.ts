/**
 * Pulls of a small remote through a server 20 ms away that fails at each request in turn: what comes of it is the same commit, with a
 * bounded number of requests more, or a stated error; the ref is set only when the commit is complete.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import { checkRepository } from '#stores/composefs';
import { listCommitRefs } from '#work/commits';
import { type PulledCommit, pullCommit } from '#work/pull-commit';
import { FakeHttp, type Fault } from '../support/fake-http.ts';
import { sampled } from '../support/long-form.ts';
import { type OstreeFixture, unpackOstree } from '../support/ostree-fixture.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';
import { EXPECTED_STREAMS } from '../support/ostree-streams.ts';

const LATENCY_MS = 20;
const ATTEMPTS = 3;
const HTTP = { retry: { attempts: ATTEMPTS, baseMs: 1, capMs: 4 } } as const;
const EXPECTED = EXPECTED_STREAMS['mini/r-tiny-archive:t'];

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('r-tiny-archive');
});
after(() => fixture[Symbol.dispose]());

/** What a pull under a fault came to. */
interface Outcome {
  readonly pulled: PulledCommit | undefined;
  readonly error: OnecopyError | undefined;
  /** Paths asked for, with repetitions. */
  readonly paths: readonly string[];
}

/** Pulls into a fresh repository; whatever happens, the ref is there exactly when the commit is, and the repository is clean. */
async function pullUnder(server: FakeHttp, faults: readonly Fault[]): Promise<Outcome> {
  await server.reset(faults);
  using temp = await makeTempRepository();
  const source = { kind: 'remote', url: server.url, http: HTTP } as const;
  let error: OnecopyError | undefined;
  const pulled = await pullCommit(temp.repository, source, 't', { workers: 0 }).catch(
    (found: unknown) => {
      if (!isOnecopyError(found)) throw found;
      error = found;
      return undefined;
    },
  );
  const refs = listCommitRefs(temp.repository).map(({ commit }) => commit);
  assert.deepEqual(refs, pulled === undefined ? [] : [EXPECTED?.commit]);
  if (pulled !== undefined) assert.equal(pulled.streamId, EXPECTED?.sha256.stream_after);
  assert.deepEqual((await checkRepository(temp.repository)).findings, []);
  return { pulled, error, paths: (await server.read()).log.map(({ path }) => path) };
}

const startServer = () =>
  FakeHttp.start({ root: join(fixture.path, 'r-tiny-archive'), latencyMs: LATENCY_MS });

/** Faults that pass: the same request, or the same over another connection, succeeds. */
const PASSING: readonly Omit<Fault, 'index'>[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503, headers: { 'retry-after': '0' } },
  { kind: 'status', status: 429, headers: { 'retry-after': '0' } },
  { kind: 'reset' },
  { kind: 'close' },
  { kind: 'truncate', bytes: 0 },
  { kind: 'truncate', bytes: 30 },
];

test('a temporary failure of any one request costs at most one more request', async () => {
  await using server = await startServer();
  const { paths: usual } = await pullUnder(server, []);
  assert.ok(usual.length >= 9, `${usual.length} requests`);
  const places = sampled([...usual.keys()], 4);
  for (const fault of PASSING) {
    for (const index of places) {
      const { error, paths } = await pullUnder(server, [{ ...fault, index, times: 1 }]);
      const label = `${JSON.stringify(fault)} at ${index}`;
      assert.equal(error, undefined, label);
      assert.ok(paths.length <= usual.length + 1, `${label}: ${paths.length} requests`);
    }
  }
});

test('a pull succeeds when every request fails once', async () => {
  await using server = await startServer();
  const { paths: usual } = await pullUnder(server, []);
  const once = new Set(usual);
  for (const kind of ['reset', 'status'] as const) {
    const faults = [...once].map((path) => ({ kind, path, times: 1, status: 500 }));
    const { error, paths } = await pullUnder(server, faults);
    assert.equal(error, undefined, kind);
    assert.ok(paths.length <= usual.length + once.size, `${kind}: ${paths.length} requests`);
  }
});

test('a request that always fails ends the pull after the configured attempts', async () => {
  await using server = await startServer();
  const { paths: usual } = await pullUnder(server, []);
  for (const path of new Set(usual)) {
    for (const status of [500, 429]) {
      const { error, paths } = await pullUnder(server, [{ kind: 'status', status, path }]);
      const asked = paths.filter((one) => one === path).length;
      assert.ok(asked <= ATTEMPTS, `${path} ${status}: asked ${asked} times`);
      // Some files are optional: a remote may do without a summary, deltas and their index.
      if (path.startsWith('/objects/')) assert.equal(error?.kind, 'transport', `${path} ${status}`);
    }
  }
});

test('a missing object ends the pull with its name, without a retry', async () => {
  await using server = await startServer();
  const { paths: usual } = await pullUnder(server, []);
  for (const path of new Set(usual.filter((one) => one.startsWith('/objects/')))) {
    const { error, paths } = await pullUnder(server, [{ kind: 'status', status: 404, path }]);
    if (path.endsWith('.commitmeta')) continue;
    assert.equal(error?.code, 'OSTREE_OBJECT_MISSING', path);
    const checksum = path.slice('/objects/'.length).replace('/', '').replace(/\..*$/, '');
    assert.equal(error?.details['checksum'], checksum);
    assert.equal(paths.filter((one) => one === path).length, 1, path);
  }
});

test('a server that sends Retry-After is asked again after that time, not before', async () => {
  await using server = await startServer();
  const headers = { 'retry-after': '1' };
  const startMs = performance.now();
  const fault = { kind: 'status', status: 429, path: '.commit', times: 1, headers } as const;
  const { error } = await pullUnder(server, [fault]);
  assert.equal(error, undefined);
  assert.ok(performance.now() - startMs >= 1000);
});
