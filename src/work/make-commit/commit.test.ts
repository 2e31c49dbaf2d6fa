import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parseVariantText, STRING, type Variant, variantOf } from '#formats/gvariant';
import { forgetAncestors, openCommit, tagCommit } from '#work/commits';
import { needs } from '../../../test/support/capability.ts';
import { unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempRepository, storeFixtureCommit } from '../../../test/support/ostree-stored.ts';
import { EXPECTED_STREAMS } from '../../../test/support/ostree-streams.ts';
import { type CommitOptions, commitTree, parseSkipList, parseStatOverrides } from './index.ts';

interface RecordedCommit {
  readonly repo: string;
  readonly args: readonly string[];
  readonly id: string;
}

const COMMITS = JSON.parse(
  readFileSync(new URL('../../../test/golden/ostree/extra/commits.json', import.meta.url), 'utf8'),
) as readonly RecordedCommit[];
const STAT_OVERRIDES = '+2048 /f0755\n=384 /f0644\n+512 /d0755\n';
const TIME = 1704164645n;

/** The options that arguments of `ostree commit` mean. Strings come before other metadata, wherever they stand. */
function optionsOf(args: readonly string[]): CommitOptions & { readonly tree: string } {
  const strings: [string, Variant][] = [];
  const others: [string, Variant][] = [];
  const keepMetadata: string[] = [];
  const bindRefs: string[] = [];
  const options: Record<string, unknown> = {};
  const pair = (text: string): [string, string] => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)];
  };
  const left = [...args];
  const next = () => left.shift() ?? '';
  while (left.length > 0) {
    const arg = next();
    const [name, value] = arg.startsWith('--') && arg.includes('=') ? pair(arg) : [arg, ''];
    if (name === '-b') options['ref'] = next();
    else if (name === '-s') options['subject'] = next();
    else if (name === '-m') options['body'] = next();
    else if (name === '--tree') options['tree'] = value.replace('dir=', '');
    else if (name === '--timestamp') options['timestampSec'] = timeOf(value);
    else if (name === '--owner-uid') options['ownerUid'] = Number(value);
    else if (name === '--owner-gid') options['ownerGid'] = Number(value);
    else if (name === '--canonical-permissions') options['canonicalPermissions'] = true;
    else if (name === '--statoverride') {
      options['statOverrides'] = parseStatOverrides(STAT_OVERRIDES);
    } else if (name === '--parent') options['parent'] = value;
    else if (name === '--no-bindings') options['bindRefs'] = 'none';
    else if (name === '--orphan') options['bindRefs'] = [];
    else if (name === '--bind-ref') bindRefs.push(value);
    else if (name === '--keep-metadata') keepMetadata.push(value);
    else if (name === '--add-metadata-string') {
      const [key, text] = pair(value);
      strings.push([key, variantOf(STRING, text)]);
    } else if (name === '--add-metadata') {
      const [key, text] = pair(value);
      others.push([key, parseVariantText(text)]);
    } else if (name !== '--add-detached-metadata-string') assert.fail(`unknown argument ${arg}`);
  }
  if (bindRefs.length > 0) options['bindRefs'] = bindRefs;
  return {
    tree: '',
    ...options,
    metadata: [...strings, ...others],
    keepMetadata,
  };
}

function timeOf(text: string): bigint {
  return text.startsWith('@') ? BigInt(text.slice(1)) : BigInt(Date.parse(text)) / 1000n;
}

test('a tree committed again gets the id that ostree commit gave it', async (t) => {
  if (!needs(t, 'root')) return;
  using trees = unpackOstree('extra/trees');
  mkdirSync(`${trees.path}/t-empty`, { recursive: true, mode: 0o755 });
  for (const repo of new Set(COMMITS.map((one) => one.repo))) {
    using temp = await makeTempRepository();
    for (const { args, id } of COMMITS.filter((one) => one.repo === repo)) {
      const { tree, ...options } = optionsOf(args);
      const path = `${trees.path}/${tree}`;
      const report = await commitTree(temp.repository, [{ kind: 'directory', path }], options);
      assert.equal(report.commit, id, args.join(' ').slice(0, 200));
    }
  }
  assert.equal(COMMITS.length, 26);
});

test('a commit made again from its tree and metadata has the same id and image', async () => {
  for (const [key, { commit, sha256 }] of Object.entries(EXPECTED_STREAMS)) {
    using temp = await makeTempRepository();
    await storeFixtureCommit(temp.repository, key, 'from');
    const old = openCommit(temp.repository, 'from').commit;
    const report = await commitTree(temp.repository, [{ kind: 'commit', name: 'from' }], {
      metadata: old.metadata,
      parent: old.parent ?? 'none',
      subject: old.subject,
      body: old.body,
      timestampSec: old.timestampSec,
    });
    assert.equal(report.commit, commit, key);
    assert.equal(report.imageId, sha256.image_fixed ?? openCommit(temp.repository, commit).imageId);
  }
});

function makeTree(path: string): void {
  mkdirSync(`${path}/s`, { recursive: true, mode: 0o755 });
  writeFileSync(`${path}/a`, 'hi\n', { mode: 0o644 });
  symlinkSync('a', `${path}/l`);
}

const TINY = {
  ref: 't',
  subject: 's',
  timestampSec: TIME,
  ownerUid: 0,
  ownerGid: 0,
  noXattrs: true,
} as const;
const TINY_ID = 'c51efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb';

test('a directory, a tar and an image of one tree give one commit', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  makeTree(`${path}/tree`);
  const directory = { kind: 'directory', path: `${path}/tree` } as const;
  const first = await commitTree(repository, [directory], TINY);
  assert.equal(first.commit, TINY_ID);
  assert.equal(first.parent, undefined);
  assert.deepEqual([first.metadataObjects, first.fileObjects], [4, 2]);
  assert.equal(first.imageId, '54fb32b2555437cac1bd0dcc32bc0da94d84f5d831e8b772daccc909aa88a2f2');
  const again = { ...TINY, parent: 'none' } as const;
  const image = { kind: 'image', name: first.imageId } as const;
  assert.equal((await commitTree(repository, [image], again)).commit, TINY_ID);
  execFileSync('tar', ['-C', `${path}/tree`, '--format=pax', '-cf', `${path}/t.tar`, '.']);
  const tar = readFileSync(`${path}/t.tar`);
  writeFileSync(`${path}/t.tar.gz`, gzipSync(tar));
  writeFileSync(`${path}/t.tar.zst`, zstdCompressSync(tar));
  for (const name of ['t.tar', 't.tar.gz', 't.tar.zst']) {
    const source = { kind: 'tar', path: `${path}/${name}` } as const;
    assert.equal((await commitTree(repository, [source], again)).commit, TINY_ID, name);
  }
  writeFileSync(`${path}/cut.tar.gz`, gzipSync(tar).subarray(0, 60));
  await assert.rejects(commitTree(repository, [{ kind: 'tar', path: `${path}/cut.tar.gz` }], {}), {
    code: 'OSTREE_TAR_INVALID',
  });
});

test('the current commit of the ref becomes the parent, and an unchanged tree can be skipped', async () => {
  using temp = await makeTempRepository();
  makeTree(`${temp.path}/tree`);
  const source = [{ kind: 'directory', path: `${temp.path}/tree` }] as const;
  const first = await commitTree(temp.repository, source, TINY);
  const same = await commitTree(temp.repository, source, { ...TINY, skipIfUnchanged: true });
  assert.deepEqual([same.changed, same.commit], [false, first.commit]);
  writeFileSync(`${temp.path}/tree/b`, 'x'.repeat(1000));
  const second = await commitTree(temp.repository, source, { ...TINY, skipIfUnchanged: true });
  assert.deepEqual([second.changed, second.parent], [true, first.commit]);
  assert.equal(openCommit(temp.repository, 't').checksum, second.commit);
});

test('files are inline or external by the limit of the commit stream, with both hash algorithms', async () => {
  for (const [algorithm, limit] of [
    ['sha256', 64],
    ['sha512', 128],
  ] as const) {
    using temp = await makeTempRepository(algorithm);
    mkdirSync(`${temp.path}/tree`);
    for (const size of [0, 64, 65, 128, 129, 300]) {
      writeFileSync(`${temp.path}/tree/f${size}`, 'x'.repeat(size));
    }
    const source = [{ kind: 'directory', path: `${temp.path}/tree` }] as const;
    const { commit } = await commitTree(temp.repository, source, TINY);
    const stored = openCommit(temp.repository, commit);
    let externals = 0;
    for (const { external, checksum } of stored.objects.objects()) {
      if (external === undefined) continue;
      externals += 1;
      assert.ok(stored.objects.file(checksum).header.sizeBytes > limit);
    }
    assert.equal(externals, limit === 64 ? 4 : 2);
  }
});

test('later trees overlay earlier ones, and a file does not replace a directory', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  makeTree(`${path}/one`);
  mkdirSync(`${path}/two/s`, { recursive: true });
  writeFileSync(`${path}/two/s/new`, 'new');
  writeFileSync(`${path}/two/a`, 'other');
  mkdirSync(`${path}/three/a`, { recursive: true });
  const [one, two, three] = ['one', 'two', 'three'].map(
    (name) => ({ kind: 'directory', path: `${path}/${name}` }) as const,
  );
  assert.ok(one && two && three);
  const { commit } = await commitTree(repository, [one, two], TINY);
  const names = [...openCommit(repository, commit).objects.objects()].length;
  assert.equal(names, 1 + 3 + 3);
  for (const order of [
    [one, three],
    [three, one],
  ]) {
    await assert.rejects(commitTree(repository, order, TINY), { code: 'OSTREE_OVERLAY_CONFLICT' });
  }
});

test('entries that OSTree cannot store, or would alter, are refused', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  const commit = (name: string, options: CommitOptions = {}) =>
    commitTree(repository, [{ kind: 'directory', path: `${path}/${name}` }], options);
  mkdirSync(`${path}/fifo`);
  execFileSync('mkfifo', [`${path}/fifo/f`]);
  await assert.rejects(commit('fifo'), { code: 'OSTREE_NOT_COMMITTABLE' });
  const skipped = await commit('fifo', { skipPaths: parseSkipList('/f\n') });
  assert.equal(skipped.fileObjects, 0);
  mkdirSync(`${path}/link`);
  symlinkSync(Buffer.from('tgt\xff', 'latin1'), `${path}/link/l`);
  await assert.rejects(commit('link'), { code: 'OSTREE_NAME_INVALID' });
  mkdirSync(`${path}/name`);
  writeFileSync(Buffer.concat([Buffer.from(`${path}/name/bad`), Buffer.from([0xff])]), '');
  await assert.rejects(commit('name'), { code: 'OSTREE_NAME_INVALID' });
  mkdirSync(`${path}/tree`);
  const statOverrides = parseStatOverrides('+1 /nope\n');
  await assert.rejects(commit('tree', { statOverrides }), { code: 'OSTREE_OVERRIDE_UNMATCHED' });
  await commit('tree', { statOverrides: parseStatOverrides('=1 /nope\n') });
  assert.throws(() => parseStatOverrides('1 /x\n'), { code: 'OSTREE_OVERRIDE_INVALID' });
  const conflict = { canonicalPermissions: true, ownerUid: 5 };
  await assert.rejects(commit('tree', conflict), { code: 'OSTREE_MODIFIERS_CONFLICT' });
  await assert.rejects(commit('tree', { ref: '/bad' }), { code: 'OSTREE_REF_INVALID' });
});

test('a ref keeps the ancestors of its commit until they are released or another line replaces them', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  mkdirSync(`${path}/tree`);
  const source = [{ kind: 'directory', path: `${path}/tree` }] as const;
  const make = async (subject: string, options: CommitOptions = {}) =>
    (await commitTree(repository, source, { ref: 'x', subject, ...options })).commit;
  const kept = (ref = 'x') =>
    repository.refs
      .list('streams', `ostree-history/${ref}`)
      .map(({ name }) => name)
      .sort();
  const first = await make('1');
  assert.deepEqual(kept(), []);
  const second = await make('2');
  const third = await make('3');
  assert.deepEqual(kept(), [first, second].sort());
  tagCommit(repository, third, 'y');
  assert.deepEqual(kept('y'), [first, second].sort());
  assert.equal(forgetAncestors(repository, 1), 2);
  assert.deepEqual([kept(), kept('y')], [[second], [second]]);
  await make('other', { parent: 'none' });
  assert.deepEqual(kept(), [], 'another line has other ancestors');
  await make('4', { parent: third });
  assert.deepEqual(kept(), [first, second, third].sort());
});
