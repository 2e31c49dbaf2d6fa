import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { encodeSummary, ostreeObjectPath } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { FakeHttp, type Fault } from '../../../../test/support/fake-http.ts';
import { type OstreeFixture, unpackOstree } from '../../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import { pullCommit } from '../index.ts';

const QUICK = { retry: { baseMs: 1, capMs: 4 } };

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('r-flatpak', 'r-tiny-archive');
});
after(() => fixture[Symbol.dispose]());

test('refs are resolved by a short summary and the ref file, or by the index if the summary is long', async () => {
  await using server = await FakeHttp.start({ root: fixture.path, etags: true });
  const source = { kind: 'remote', url: `${server.url}/r-flatpak`, http: QUICK } as const;
  const ref = 'app/org.example.Hi/x86_64/stable';
  const requestsOf = async (faults: readonly Fault[], repository?: Repository) => {
    await server.reset(faults);
    using temp = await makeTempRepository();
    const options = { workers: 0, deltas: 'never' } as const;
    const { commit } = await pullCommit(repository ?? temp.repository, source, ref, options);
    const { log } = await server.read();
    const files = log.map(({ path }) => path.replace('/r-flatpak/', ''));
    const named = /^(?:summary|summaries|refs)/;
    return {
      commit,
      files: files
        .filter((path) => named.test(path))
        .map(briefly)
        .sort(),
    };
  };
  const briefly = (path: string) => path.replace(/\/[0-9a-f]{64}/, '/SUM');
  const short = await requestsOf([]);
  assert.deepEqual(short.files, [`refs/heads/${ref}`, 'summary']);
  const long = {
    kind: 'status',
    status: 200,
    body: 'x'.repeat(2 ** 21),
    path: '/summary',
  } as const;
  using temp = await makeTempRepository();
  const first = await requestsOf([{ ...long, times: 1 }], temp.repository);
  const indexed = [`refs/heads/${ref}`, 'summaries/SUM.gz', 'summary', 'summary.idx'];
  assert.deepEqual(first, { commit: short.commit, files: indexed });
  const second = await requestsOf([], temp.repository);
  assert.deepEqual(second.files, [`refs/heads/${ref}`, 'summary.idx'], 'known to have an index');
  // One whose summary cannot be had is as good.
  const failing = await requestsOf([{ kind: 'status', status: 400, path: '/summary', times: 1 }]);
  assert.deepEqual(failing, { commit: short.commit, files: indexed });
});

test('a long summary is read if there is no index, and a remote without both is read by its ref file', async () => {
  const root = mkdtempSync(join(tmpdir(), 'onecopy-summary-'));
  try {
    cpSync(join(fixture.path, 'r-tiny-archive'), join(root, 'r'), { recursive: true });
    const commit = readFileSync(join(root, 'r/refs/heads/t'), 'utf8').trim() as OstreeChecksum;
    const { length } = readFileSync(join(root, 'r', ostreeObjectPath(commit, 'commit')));
    const names = [
      't',
      ...Array.from({ length: 12_000 }, (_, index) => `u${index}-${'x'.repeat(60)}`),
    ];
    const refs = names.toSorted().map((name) => ({
      name,
      commitBytes: BigInt(length),
      checksum: commit,
      metadata: [],
    }));
    const summary = encodeSummary({ refs, metadata: [] });
    assert.ok(summary.length > 2 ** 20);
    await using server = await FakeHttp.start({ root });
    const source = { kind: 'remote', url: `${server.url}/r`, http: QUICK } as const;
    for (const hasSummary of [true, false]) {
      if (hasSummary) writeFileSync(join(root, 'r/summary'), summary);
      else rmSync(join(root, 'r/summary'));
      await server.reset();
      using temp = await makeTempRepository();
      const pulled = await pullCommit(temp.repository, source, 't', { workers: 0 });
      assert.equal(pulled.commit, commit);
      const { log } = await server.read();
      const asked = log.filter(({ path }) => path.includes('summary'));
      assert.deepEqual(
        asked.map(({ path, status }) => `${path} ${status}`),
        hasSummary
          ? ['/r/summary 200', '/r/summary.idx 404', '/r/summary 200']
          : ['/r/summary 404'],
      );
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});
