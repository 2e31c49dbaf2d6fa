import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { isOnecopyError } from '#base/errors';
import { parseCommit } from '#formats/ostree';
import { openOstreeRepo } from '#stores/ostree';
import { needs } from '../../../test/support/capability.ts';
import { makeTempRepository } from '../../../test/support/ostree-stored.ts';
import {
  CASES,
  expectedOf,
  idsIn,
  listOf,
  pullCase as pull,
  rowsOf,
} from '../../../test/support/unified-cases.ts';
import { upstreamDetails } from '../../../test/support/upstream-details.ts';
import { imageRefName, synthesizeCommit } from './index.ts';

/** Images that upstream refuses and we support: missing parents, an image without `/usr`, a `/run` that is not a directory. */
const MORE = ['10-no-usr', '21-missing-parents', '42-run-symlink'];
/** Capabilities that the kernel changes, and empty xattrs: upstream hashes values that a bare repository never returns. */
const UNSTABLE = ['40-cap-v3-rootid0', '41-xattr-zero-length'];

/** Whiteouts after entries of the same layer also delete those entries for upstream. */
const OTHER_READING = ['15-opaque-order', '45-whiteout-same-layer'];

for (const name of readdirSync(CASES).sort()) {
  const { synth, synthFilteredXattrs: filtered = synth } = expectedOf(name);
  if (!synth.ok && !MORE.includes(name)) {
    test(`an image that cannot become a commit is refused: ${name}`, async () => {
      using temp = await makeTempRepository('sha512');
      await pull(temp.repository, name);
      const options = { createMode: 'bare-user', refs: ['x'] } as const;
      await assert.rejects(
        synthesizeCommit(temp.repository, name, `${temp.path}/out`, options),
        (error: unknown) => isOnecopyError(error) && ['format', 'unsupported'].includes(error.kind),
      );
      assert.equal(existsSync(`${temp.path}/out`), false);
    });
    continue;
  }
  test(`an image becomes the same commit as with ostree-ext, and our layout is reproducible: ${name}`, async () => {
    using temp = await makeTempRepository('sha512');
    const { repository, path } = temp;
    await pull(repository, name);
    const createMode = 'bare-user';
    const ours = { createMode, refs: ['ours'] } as const;
    const report = await synthesizeCommit(repository, name, `${path}/ours`, ours);
    const again = await synthesizeCommit(repository, name, `${path}/ours`, ours);
    assert.equal(again.commit, report.commit);
    assert.deepEqual([again.metadataWritten, again.filesWritten, again.filesReflinked], [0, 0, 0]);
    if (!synth.ok) return;
    if (![...UNSTABLE, ...OTHER_READING].includes(name)) {
      assert.deepEqual([report.rootTree, report.rootMeta], [filtered.dirtree, filtered.dirmeta]);
    }
    const ref = imageRefName(`oci:/img/${name}`);
    assert.deepEqual([ref], synth.refs);
    const theirs = await synthesizeCommit(repository, name, `${path}/theirs`, {
      createMode,
      refs: [ref],
      reading: 'cfsctl',
      xattrs: 'all',
      normaliseXattrs: false,
      details: upstreamDetails(BigInt.asUintN(64, BigInt(Number(synth.timestamp) || 0))),
    });
    if (typeof synth.timestamp === 'number') {
      using repo = openOstreeRepo(`${path}/ours`);
      const { timestampSec } = parseCommit(
        repo.readMetadata('commit', report.commit) as Uint8Array,
      );
      assert.equal(timestampSec, BigInt.asUintN(64, BigInt(synth.timestamp)));
    }
    using repo = openOstreeRepo(`${path}/theirs`);
    assert.equal(repo.refs.read(ref), theirs.commit);
    assert.deepEqual(idsIn(listOf(repo, theirs.commit)), idsIn(rowsOf(name, 'synth') ?? []));
    if (synth.commit !== undefined) assert.equal(theirs.commit, synth.commit);
  });
}

test('a commit written to a bare repository passes ostree fsck, also where that of ostree-ext fails', async (t) => {
  if (!needs(t, 'root', 'tool:ostree')) return;
  using temp = await makeTempRepository('sha512');
  const { repository, path } = temp;
  const commits: string[] = [];
  for (const name of ['01-rules-policy', '16-xattrs', '33-hardlink-split', ...UNSTABLE]) {
    await pull(repository, name);
    const options = { createMode: 'bare', refs: [name] } as const;
    const { commit } = await synthesizeCommit(repository, name, `${path}/bare`, options);
    const user = { createMode: 'bare-user', refs: [name] } as const;
    const other = await synthesizeCommit(repository, name, `${path}/user`, user);
    assert.equal(other.commit, commit);
    commits.push(commit);
  }
  for (const repo of ['bare', 'user']) {
    const { status, stdout, stderr } = spawnSync('ostree', ['fsck', `--repo=${path}/${repo}`]);
    assert.equal(status, 0, stderr.toString());
    assert.match(stdout.toString(), new RegExp(`${commits.length} commits completed`));
  }
});
