/**
 * A tree of more than 20,000 files goes from Debian's `ostree` into our repository and back: over HTTP by nginx and locally, out to
 * archive and bare-user repositories that `ostree fsck` accepts, and mounted by the kernel beside `ostree checkout`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkRepository, initRepository, type Repository } from '#stores/composefs';
import { listCommitRefs } from '#work/commits';
import { exportCommit } from '#work/export-commit';
import { mountImage, unmountImage } from '#work/mount';
import { type OstreeAddress, pullCommit } from '#work/pull-commit';
import { findProgram, needs } from '../support/capability.ts';
import { cases } from '../support/long-form.ts';
import { Nginx } from '../support/nginx.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FILES = cases(5120, 20_480);
const FILES_PER_FOLDER = 64;
const LARGE_BYTES = 6 << 20;
/** Text of an `ls` of everything, in bytes: more than this would be an error of its own. */
const OUTPUT_MAX_BYTES = 64 << 20;

function run(program: string, ...args: readonly string[]): string {
  const limits = { encoding: 'utf8', maxBuffer: OUTPUT_MAX_BYTES } as const;
  return execFileSync(program, args, { ...limits, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Many small files (some alike, some empty, some inline), links of both kinds, odd modes, owners, xattrs and names. */
function writeTree(tree: string): void {
  for (let index = 0; index < FILES; index++) {
    const folder = join(tree, 'usr', `lib${index % 5}`, `d${Math.floor(index / FILES_PER_FOLDER)}`);
    if (index % FILES_PER_FOLDER < 5) mkdirSync(folder, { recursive: true });
    const path = join(folder, `f${index}`);
    const alike = index % 50 === 0 ? 7 : index;
    writeFileSync(path, `content ${alike}\n`.repeat(index % 3 === 0 ? index % 4 : index % 40));
    if (index % 16 === 0) symlinkSync(`f${index}`, join(folder, `l${index}`));
    if (index % 40 === 0) linkSync(path, join(folder, `h${index}`));
    if (index % 97 === 0) chownSync(path, 1000 + (index % 7), index % 11);
    if (index % 41 === 0) chmodSync(path, [0o4755, 0o2711, 0o600, 0o1644][index % 4] ?? 0o644);
  }
  const odd = join(tree, 'odd');
  mkdirSync(odd);
  for (const [at, byte] of [0, 97, 255].entries()) {
    writeFileSync(join(odd, `large${at}`), Buffer.alloc(LARGE_BYTES + at, byte));
  }
  symlinkSync('../nowhere/ü', join(odd, 'dangling'));
  symlinkSync(`/${'x'.repeat(2000)}`, join(odd, 'long'));
  writeFileSync(join(odd, 'näme with spaces'), 'x');
  mkdirSync(join(odd, 'empty'), { mode: 0o1777 });
  chmodSync(join(odd, 'empty'), 0o1777);
  for (const name of ['large0', 'large1', 'empty']) {
    run('setfattr', '-n', 'user.one', '-v', name, join(odd, name));
  }
  run('setfattr', '-n', 'security.capability', '-v', CAPABILITY, join(odd, 'large0'));
}

/** cap_net_bind_service=ep as `setcap` writes it. Source: Linux uapi capability.h, struct vfs_cap_data version 2. */
const CAPABILITY = '0x0100000200040000000000000000000000000000';

/** Type, mode, owner, link target and path of everything, and the size of files. OSTree keeps no times. */
function describe(root: string): string {
  const at = (...args: string[]): string => run('find', root, ...args);
  const lines = [
    at('-type', 'f', '-printf', '%y %m %U %G %s %P\\n'),
    at('-not', '-type', 'f', '-printf', '%y %m %U %G %l %P\\n'),
  ];
  return lines.join('').split('\n').sort().join('\n');
}

function hashes(root: string): string {
  const command = 'cd "$0" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum';
  return run('sh', '-c', command, root);
}

function xattrs(root: string): string {
  const paths = readdirSync(join(root, 'odd')).map((name) => join(root, 'odd', name));
  const args = ['-h', '-d', '-m', '^(user|security)\\.', '-e', 'hex', '--absolute-names'];
  return run('getfattr', ...args, ...paths).replaceAll(root, '');
}

async function pullInto(path: string, source: OstreeAddress, ref: string) {
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  const pulled = await pullCommit(repository, source, ref);
  assert.deepEqual(
    listCommitRefs(repository).map(({ name, commit }) => [name, commit]),
    [[ref, pulled.commit]],
  );
  return { repository, pulled };
}

/** Mounts an image and compares it with a checkout, path by path. */
async function compareMount(
  repository: Repository,
  imageId: string,
  mounted: string,
  plain: string,
) {
  mountImage(repository, imageId, mounted);
  try {
    assert.equal(describe(mounted), describe(plain));
    assert.equal(hashes(mounted), hashes(plain));
    assert.equal(xattrs(mounted), xattrs(plain));
  } finally {
    await unmountImage(mounted);
  }
}

test('a real tree of over 20,000 files is the same commit in ostree and onecopy, pulled, exported and mounted', async (t) => {
  const tools = ['tool:ostree', 'tool:nginx', 'tool:setfattr'] as const;
  if (!needs(t, ...tools, 'root', 'erofs', 'overlay', 'mount-api', 'xattr-user')) return;
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  writeTree(at('tree'));
  const ostree = (...args: string[]): string => run('ostree', ...args);
  for (const [name, mode] of [
    ['archive', 'archive'],
    ['user', 'bare-user'],
  ] as const) {
    ostree('init', `--repo=${at(name)}`, `--mode=${mode}`);
    // Nobody pulls the plug during a test, and a busy disk would make it wait for minutes.
    ostree('config', `--repo=${at(name)}`, 'set', 'core.fsync', 'false');
  }
  const time = '--timestamp=2026-01-02 03:04:05 +0000';
  const tree = `--tree=dir=${at('tree')}`;
  const commit = ostree('commit', `--repo=${at('archive')}`, '-b', 'real', tree, time).trim();
  const user = ostree('commit', `--repo=${at('user')}`, '-b', 'real', tree, time).trim();
  assert.equal(user, commit);

  await using server = await Nginx.start(findProgram('nginx') ?? '', at('archive'));
  const http = await pullInto(at('ours-http'), { kind: 'remote', url: server.url }, 'real');
  using fromHttp = http.repository;
  const local = await pullInto(at('ours-local'), { kind: 'local', path: at('user') }, 'real');
  using fromLocal = local.repository;
  assert.equal(http.pulled.commit, commit);
  // What comes of a commit is the same, whatever way it took.
  assert.equal(local.pulled.streamId, http.pulled.streamId);
  assert.equal(local.pulled.imageId, http.pulled.imageId);
  // Empty and equal files are one object each.
  const { filesFetched } = http.pulled.counts;
  assert.ok(filesFetched > FILES * 0.6, `${filesFetched} files`);
  assert.deepEqual((await checkRepository(fromLocal)).findings, []);

  const listing = ostree('ls', `--repo=${at('archive')}`, '-RXC', 'real');
  assert.ok(listing.split('\n').length > FILES);
  for (const [mode, from] of [
    ['archive', fromLocal],
    ['bare-user', fromHttp],
  ] as const) {
    const target = at(`out-${mode}`);
    await exportCommit(from, 'real', target, { createMode: mode, refs: ['real'] });
    assert.match(ostree('fsck', `--repo=${target}`), /object fsck of 1 commits completed/);
    assert.equal(ostree('rev-parse', `--repo=${target}`, 'real').trim(), commit);
    assert.equal(ostree('ls', `--repo=${target}`, '-RXC', 'real'), listing);
  }

  ostree('checkout', `--repo=${at('archive')}`, 'real', at('plain'));
  mkdirSync(at('mnt'));
  assert.ok(http.pulled.imageId !== undefined);
  await compareMount(fromHttp, http.pulled.imageId, at('mnt'), at('plain'));
});
