import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { STRING } from '#formats/gvariant';
import { commitTree, exportCommit, pullCommit } from '#work/ostree';
import { needs } from '../support/capability.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';

function ostree(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('ostree', args, { encoding: 'utf8' });
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Fills a directory with what trees are made of: sizes around the inline limits, links, odd names, modes. */
function fill(path: string, count: number): void {
  mkdirSync(`${path}/deep/er/est`, { recursive: true });
  for (let index = 0; index < count; index += 1) {
    const folder = `${path}/d${index % 40}`;
    mkdirSync(folder, { recursive: true });
    const name = `${folder}/f${index}-ü`;
    writeFileSync(name, String(index).repeat(index % 60));
    chmodSync(name, [0o644, 0o755, 0o600, 0o4755][index % 4] ?? 0o644);
    if (index % 10 === 0) symlinkSync(`f${index}`, `${folder}/l${index}`);
    if (index % 25 === 0) linkSync(name, `${path}/deep/er/h${index}`);
  }
}

test('a tree gets the same commit from us and from ostree, and survives the way there and back', async (t) => {
  if (!needs(t, 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  fill(`${path}/tree`, 400);
  ostree('init', `--repo=${path}/theirs`, '--mode=bare-user');
  const flags = ['-s', 'subject', '--timestamp=@1704164645', '--add-metadata-string=version=1'];
  const expected = ostree(
    'commit',
    `--repo=${path}/theirs`,
    '-b',
    'x',
    `--tree=dir=${path}/tree`,
    ...flags,
  ).trim();
  const ours = await commitTree(repository, [{ kind: 'directory', path: `${path}/tree` }], {
    ref: 'x',
    subject: 'subject',
    timestampSec: 1704164645n,
    metadata: [['version', { type: STRING, value: '1' }]],
  });
  assert.equal(ours.commit, expected);
  await exportCommit(repository, 'x', `${path}/out`, { createMode: 'archive', refs: ['x'] });
  ostree('fsck', `--repo=${path}/out`);
  ostree('pull-local', `--repo=${path}/theirs`, '--untrusted', `${path}/out`, 'x');
  using other = await makeTempRepository();
  const source = { kind: 'local', path: `${path}/theirs` } as const;
  const pulled = await pullCommit(other.repository, source, 'x');
  assert.deepEqual([pulled.commit, pulled.imageId], [ours.commit, ours.imageId]);
  assert.equal(pulled.streamId, ours.streamId);
});
