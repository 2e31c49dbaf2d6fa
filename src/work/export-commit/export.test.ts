import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { STRING, variantOf } from '#formats/gvariant';
import { encodeMetadataDict } from '#formats/ostree';
import { openOstreeRepo } from '#stores/ostree';
import { formatEntry, listEntries, openCommit } from '#work/commits';
import { commitTree } from '#work/make-commit';
import { findProgram, needs } from '../../../test/support/capability.ts';
import { makeTempRepository, storeFixtureCommit } from '../../../test/support/ostree-stored.ts';
import { testPaxRecord, testTar } from '../../../test/support/tar-archive.ts';
import { exportCommit } from './index.ts';

const V1 = 'mini/r-archive:test/v1';
const ostree = findProgram('ostree');

function run(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(ostree as string, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

for (const createMode of ['archive', 'bare', 'bare-user'] as const) {
  test(`an export to ${createMode} passes ostree fsck and lists the same files`, async (t) => {
    if (!needs(t, 'tool:ostree', ...(createMode === 'bare' ? (['root'] as const) : []))) return;
    using temp = await makeTempRepository();
    const { repository, path } = temp;
    const commit = await storeFixtureCommit(repository, V1, 'test/v1');
    const target = `${path}/out`;
    const report = await exportCommit(repository, 'test/v1', target, {
      createMode,
      refs: ['out/v1'],
    });
    assert.deepEqual(
      [report.commit, report.created, report.mode, report.metadataWritten],
      [commit, true, createMode, 29],
    );
    assert.equal(report.filesWritten + report.filesReflinked, 36);
    assert.match(run('fsck', `--repo=${target}`), /1 commits completed successfully/);
    assert.equal(run('rev-parse', `--repo=${target}`, 'out/v1').trim(), commit);
    const ours = [...listEntries(openCommit(repository, commit), '/', { recursive: true })];
    assert.equal(
      run('ls', `--repo=${target}`, '-RXC', 'out/v1'),
      `${ours.map((one) => formatEntry(one, { checksums: true, xattrs: true })).join('\n')}\n`,
    );
    const again = await exportCommit(repository, 'test/v1', target);
    assert.deepEqual([again.created, again.objectsPresent, again.filesWritten], [false, 65, 0]);
  });
}

test('an export refuses a commit that bare-user-only cannot store, and takes one with canonical permissions', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  await storeFixtureCommit(repository, V1, 'test/v1');
  const target = `${path}/out`;
  const options = { createMode: 'bare-user-only', refs: ['canonical'] } as const;
  await assert.rejects(exportCommit(repository, 'test/v1', target, options), {
    code: 'OSTREE_FILE_UNFIT',
  });
  assert.equal(existsSync(target), false);
  const source = [{ kind: 'commit', name: 'test/v1' }] as const;
  await commitTree(repository, source, { ref: 'canonical', canonicalPermissions: true });
  await exportCommit(repository, 'canonical', target, options);
  using repo = openOstreeRepo(target);
  assert.ok(repo.refs.read('canonical'));
  if (ostree !== undefined) run('fsck', `--repo=${target}`);
});

test('an export to a bare repository refuses empty xattrs, and a commit made without them is accepted', async (t) => {
  if (!needs(t, 'root', 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  const capability = `\x01\0\0\x03\x02${'\0'.repeat(19)}`;
  const xattrs = [
    testPaxRecord('SCHILY.xattr.user.empty', ''),
    testPaxRecord('SCHILY.xattr.security.capability', capability),
  ];
  const tar = `${path}/tree.tar`;
  const members = [
    { name: 'pax', flag: 'x', content: xattrs.join('') },
    { name: 'f', content: 'f' },
  ];
  writeFileSync(tar, testTar(members));
  const source = [{ kind: 'tar', path: tar }] as const;
  await commitTree(repository, source, { ref: 'kept', keepEmptyXattrs: true });
  await assert.rejects(exportCommit(repository, 'kept', `${path}/out`, { createMode: 'bare' }), {
    code: 'OSTREE_FILE_UNFIT',
  });
  assert.equal(existsSync(`${path}/out`), false);
  for (const mode of ['archive', 'bare-user'] as const) {
    await exportCommit(repository, 'kept', `${path}/${mode}`, { createMode: mode, refs: ['kept'] });
    run('fsck', `--repo=${path}/${mode}`);
  }
  await commitTree(repository, source, { ref: 'usual' });
  await exportCommit(repository, 'usual', `${path}/out`, { createMode: 'bare', refs: ['usual'] });
  run('fsck', `--repo=${path}/out`);
  const listed = run('ls', '-RX', `--repo=${path}/out`, 'usual');
  assert.match(listed, /security\.capability', \[byte 0x01, 0x00, 0x00, 0x02, 0x02/);
  assert.doesNotMatch(listed, /user\.empty/);
});

test('a target repository is created only on request, and a bad ref is refused before that', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  await storeFixtureCommit(repository, V1, 'test/v1');
  await assert.rejects(exportCommit(repository, 'test/v1', `${path}/none`), {
    code: 'OSTREE_REPO_NOT_FOUND',
  });
  const options = { createMode: 'archive', refs: ['/bad'] } as const;
  await assert.rejects(exportCommit(repository, 'test/v1', `${path}/none`, options), {
    code: 'OSTREE_REF_INVALID',
  });
  assert.equal(existsSync(`${path}/none`), false);
});

test('an export of damaged content fails and sets no ref', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  await storeFixtureCommit(repository, V1, 'test/v1');
  const stored = openCommit(repository, 'test/v1');
  const [external] = stored.objects.objectRefs;
  assert.ok(external);
  const object = `${path}/repo/objects/${external.slice(0, 2)}/${external.slice(2)}`;
  writeFileSync(object, Buffer.alloc(repository.objects.sizeOf(external) ?? 0, 7));
  const options = { createMode: 'archive', refs: ['x'] } as const;
  await assert.rejects(exportCommit(repository, 'test/v1', `${path}/out`, options), {
    code: 'OSTREE_CHECKSUM_MISMATCH',
  });
  using repo = openOstreeRepo(`${path}/out`);
  assert.deepEqual([...repo.listObjects(), ...repo.refs.list()], []);
});

test('detached metadata is exported with its commit', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  mkdirSync(`${path}/tree`);
  const detached = encodeMetadataDict([['note', variantOf(STRING, 'kept')]]);
  const source = [{ kind: 'directory', path: `${path}/tree` }] as const;
  const { commit } = await commitTree(repository, source, { ref: 'x', detached });
  await exportCommit(repository, 'x', `${path}/out`, { createMode: 'archive' });
  using repo = openOstreeRepo(`${path}/out`);
  assert.deepEqual(new Uint8Array(repo.state.readDetached(commit) ?? []), detached);
});
