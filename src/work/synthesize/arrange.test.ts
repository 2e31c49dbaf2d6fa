import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { createLabeler } from '#formats/selinux';
import { Directory, Tree, UNSET_STAT } from '#formats/tree';
import { type ArrangeOptions, arrangeTree, type Placed } from './arrange.ts';

/** A tree of empty files; a path that ends in a slash is a directory, whose mode is its index in the list. */
function treeOf(...paths: readonly string[]): Tree {
  const tree = new Tree();
  for (const [index, path] of paths.entries()) {
    const names = path.replace(/\/$/, '').split('/') as ByteString[];
    const name = names.pop() as ByteString;
    let at = tree.root;
    for (const part of names) {
      const next = at.entries.get(part) ?? new Directory();
      assert.ok(next instanceof Directory);
      at.entries.set(part, next);
      at = next;
    }
    const stat = { ...UNSET_STAT, mode: index };
    const leaf = () => tree.addLeaf({ kind: 'inline', stat, content: new Uint8Array(0) });
    at.entries.set(name, path.endsWith('/') ? new Directory(stat) : leaf());
  }
  return tree;
}

/** Paths in the commit, each with the name by which its label is looked up. */
function listOf(placed: Placed): string[] {
  const own = `${placed.path} ${placed.labelName}`;
  if (placed.kind === 'leaf') return [own];
  return [own, ...placed.children().flatMap(([, child]) => listOf(child))];
}

async function arrange(tree: Tree, options: ArrangeOptions = {}): Promise<string[]> {
  const labeler = await createLabeler({ main: Buffer.from('/.* x:1') }, 'composefs');
  return listOf(arrangeTree(tree, labeler, options));
}

test('/etc moves to /usr/etc and keeps the labels of /etc; runtime directories are empty', async () => {
  const tree = treeOf(
    'etc/passwd',
    'usr/bin/',
    'usr/tmp/kept',
    'tmp/gone',
    'run/gone',
    'boot/kernel',
  );
  assert.deepEqual(await arrange(tree), [
    '/ /',
    '/boot /boot',
    '/boot/kernel /boot/kernel',
    '/run /run',
    '/tmp /tmp',
    '/usr /usr',
    '/usr/bin /usr/bin',
    '/usr/etc /etc',
    '/usr/etc/passwd /etc/passwd',
    '/usr/tmp /usr/tmp',
    '/usr/tmp/kept /usr/tmp/kept',
  ]);
});

test('files in place of emptied directories are omitted, and an image without /usr gets one', async () => {
  const tree = treeOf('etc/passwd', 'tmp', 'proc', 'x');
  assert.deepEqual(await arrange(tree), [
    '/ /',
    '/usr /usr',
    '/usr/etc /etc',
    '/usr/etc/passwd /etc/passwd',
    '/x /x',
  ]);
});

test('/boot and /sysroot are emptied on request', async () => {
  const tree = treeOf('boot/kernel', 'sysroot/ostree/', 'usr/');
  assert.deepEqual(await arrange(tree, { emptyBoot: true, emptySysroot: true }), [
    '/ /',
    '/boot /boot',
    '/sysroot /sysroot',
    '/usr /usr',
  ]);
});

test('/etc and /usr/etc are merged, /etc wins, and a file does not replace a directory', async () => {
  const tree = treeOf(
    'usr/etc/',
    'usr/etc/old',
    'usr/etc/both',
    'usr/etc/d/',
    'etc/',
    'etc/both',
    'etc/d/',
  );
  assert.deepEqual(await arrange(tree), [
    '/ /',
    '/usr /usr',
    '/usr/etc /etc',
    '/usr/etc/both /etc/both',
    '/usr/etc/d /etc/d',
    '/usr/etc/old /usr/etc/old',
  ]);
  const root = arrangeTree(tree, undefined);
  const [, usr] = root.children()[0] ?? [];
  assert.ok(usr?.kind === 'directory');
  const [, etc] = usr.children()[0] ?? [];
  assert.ok(etc?.kind === 'directory');
  assert.equal(etc.stat.mode, 4, 'metadata of /etc');
  const clash = treeOf('usr/etc/x/', 'etc/x');
  await assert.rejects(arrange(clash), { code: 'OSTREE_OVERLAY_CONFLICT' });
  await assert.rejects(arrange(treeOf('etc/x', 'usr')), { code: 'OSTREE_OVERLAY_CONFLICT' });
});
