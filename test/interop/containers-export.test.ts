import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { byteStringOf } from '#base/bytes';
import { hasCode, UsageError } from '#base/errors';
import { parseReference } from '#formats/oci';
import { Dir, readXattrs } from '#host';
import { initRepository, type Repository } from '#stores/composefs';
import { exportToContainers, storedName } from '#work/export-containers';
import { parsePlatform, pullImage } from '#work/pull-image';
import { findProgram, needs } from '../support/capability.ts';
import { GOLDEN_STORES, type GoldenImage, unpackStore } from '../support/containers-stores.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { sampled } from '../support/long-form.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { openPodman } from '../support/podman.ts';
import { type TestMember, testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

async function makeRepository(path: string): Promise<Repository> {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

function storeAt(root: string, name: string) {
  const reference = parseReference(`containers-storage:[overlay@${root}]${name}`);
  assert.ok(reference.transport === 'containers-storage');
  return reference;
}

/** All that a layer says of its files; times of what no entry states are not part of it. */
function describeLayer(path: string): Map<string, unknown> {
  const lines = new Map<string, unknown>();
  const first = new Map<bigint, string>();
  const names = readdirSync(path, { recursive: true, encoding: 'buffer' });
  for (const name of names.sort(Buffer.compare)) {
    const key = name.toString('latin1');
    const full = Buffer.concat([Buffer.from(`${path}/`), name]);
    const stat = lstatSync(full, { bigint: true });
    const isDevice = stat.isCharacterDevice() || stat.isBlockDevice();
    const isWhiteout = isDevice && stat.rdev === 0n;
    using dir = Dir.open(path);
    const xattrs = [...readXattrs({ dir, name: byteStringOf(name) })].map(([one, value]) => {
      return `${one}=${Buffer.from(value).toString('hex')}`;
    });
    // Links of devices and fifos did not survive packing.
    const isPacked = stat.isFile() || stat.isSymbolicLink();
    const link = isPacked ? first.get(stat.ino) : undefined;
    if (isPacked) first.set(stat.ino, link ?? key);
    // Stores of before 1970 have 0, which is not what the tar says.
    const time =
      isWhiteout || stat.mtimeMs <= 0n || stat.mtimeMs > 1780000000000n ? 0n : stat.mtimeNs;
    lines.set(key, {
      mode: stat.mode.toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      rdev: isDevice ? stat.rdev : 0n,
      time: stat.isDirectory() && stat.mtimeMs > 1780000000000n ? 0n : time,
      content: stat.isFile()
        ? createHash('sha256').update(readFileSync(full)).digest('hex')
        : stat.isSymbolicLink()
          ? readlinkSync(full, { encoding: 'latin1' })
          : '',
      link,
      xattrs: xattrs.sort(),
    });
  }
  return lines;
}

const STORES = [
  'gzip-pull',
  'churn',
  'shared-layers',
  'buildah-layers',
  'commit',
  'odd-metadata',
  'two-names-dangling',
];

for (const name of sampled(STORES, 4)) {
  test(`an image of "${name}" is exported as podman stored it: files, tar-splits, records`, async (t) => {
    if (!needs(t, 'root', 'xfs', 'tool:zstd')) return;
    using _leaks = watchDescriptors();
    // A filesystem of its own: syncing it does not wait for others.
    await using temp = await mountLoopFilesystem('xfs');
    const store = unpackStore(name, temp.path);
    using repository = await makeRepository(join(temp.path, 'repository'));
    const written = join(temp.path, 'written');
    for (const image of GOLDEN_STORES[name]?.images ?? []) {
      const { id, manifest } = image;
      const choice = platformOf(image);
      await pullImage(repository, `containers-storage:${store}@${id}`, { name: id, ...choice });
      const report = await exportToContainers(
        repository,
        id,
        storeAt(written, `x:${id.slice(0, 9)}`),
      );
      assert.equal(report.imageId, id);
      assert.deepEqual(
        report.layers.map((layer) => layer.id),
        image.layerChain,
      );
      assert.equal(report.counts.leftOut, 0);
      for (const layer of image.layerChain) compareLayers(join(temp.path, 'root'), written, layer);
      using again = await makeRepository(join(temp.path, `again-${id}`));
      const back = await pullImage(again, `containers-storage:[${written}]@${id}`, choice);
      assert.equal(back.manifestDigest, manifest);
    }
    assert.deepEqual(leftovers(written), []);
  });
}

function platformOf({ platform }: GoldenImage) {
  return platform === undefined ? {} : { platform: parsePlatform(platform) };
}

function compareLayers(golden: string, written: string, layer: string): void {
  const [expected, found] = [golden, written].map((root) =>
    describeLayer(join(root, 'overlay', layer, 'diff')),
  );
  assert.deepEqual(found, expected);
  const split = (root: string) =>
    gunzipSync(readFileSync(join(root, 'overlay-layers', `${layer}.tar-split.gz`))).toString();
  assert.equal(split(written), split(golden));
  const record = (root: string) => {
    const records = JSON.parse(readFileSync(join(root, 'overlay-layers/layers.json'), 'utf8'));
    // Of a layer that it had from another image podman does not say how the blob was compressed.
    const {
      created: _created,
      compression: _compression,
      ...rest
    } = records.find(({ id }: { id: string }) => id === layer);
    return rest;
  };
  assert.deepEqual(record(written), record(golden));
  const lower = (root: string, file: string) => {
    try {
      return readFileSync(join(root, 'overlay', layer, file), 'utf8').split(':').length;
    } catch {
      return 0;
    }
  };
  for (const file of ['link', 'lower', 'lower-layers']) {
    assert.equal(lower(written, file), lower(golden, file), file);
  }
}

/** What only a killed writer may leave. */
function leftovers(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?:^|\/)(?:\.tmp-|temp-dir-|lock-)/.test(name),
  );
}

test('an export keeps unknown fields of other records and moves names, and a second export writes nothing', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  using repository = await makeRepository(join(temp.path, 'repository'));
  const root = join(temp.path, 'store');
  const other = 'ef'.repeat(32);
  mkdirSync(join(root, 'overlay-images'), { recursive: true });
  mkdirSync(join(root, 'overlay-layers'), { recursive: true });
  const foreign = `{"id":"${other}","names":["localhost/app:1","localhost/b:1"],"later":{"x":12345678901234567890}}`;
  const untouched = `{"id":"${'12'.repeat(32)}" , "big":98765432109876543210}`;
  writeFileSync(join(root, 'overlay-images/images.json'), `[${foreign},${untouched}]`);
  writeFileSync(join(root, 'overlay-layers/layers.json'), `[${untouched}]`);
  const { reference } = writeTestLayout(join(temp.path, 'layout'), [
    { tar: testTar([{ name: 'f', content: noise(100, 1) }]) },
  ]);
  await pullImage(repository, reference, { name: 'app' });
  const first = await exportToContainers(repository, 'app', storeAt(root, 'app:1'));
  assert.equal(first.name, 'localhost/app:1');
  const images = readFileSync(join(root, 'overlay-images/images.json'), 'utf8');
  assert.ok(images.includes(untouched));
  assert.ok(readFileSync(join(root, 'overlay-layers/layers.json'), 'utf8').includes(untouched));
  const moved = JSON.parse(images).find(({ id }: { id: string }) => id === other);
  assert.deepEqual(moved.names, ['localhost/b:1']);
  assert.ok(moved.later !== undefined);
  const stamp = readFileSync(join(root, 'overlay-images/images.lock'));
  assert.equal(stamp.length, 64);
  const second = await exportToContainers(repository, 'app', storeAt(root, 'app:2'));
  assert.deepEqual([second.layers[0]?.method, second.counts.files], ['present', 0]);
  assert.notDeepEqual(readFileSync(join(root, 'overlay-images/images.lock')), stamp);
  const records = JSON.parse(readFileSync(join(root, 'overlay-images/images.json'), 'utf8'));
  assert.deepEqual(records.at(-1).names, ['localhost/app:1', 'localhost/app:2']);
  writeFileSync(join(root, 'overlay-images/images.json'), images.slice(0, -3));
  await assert.rejects(exportToContainers(repository, 'app', storeAt(root, 'app:3')), (error) =>
    hasCode(error, 'CONTAINERS_RECORDS_INVALID'),
  );
});

test('the record of an image from an index states the index, as that of podman does', async (t) => {
  if (!needs(t, 'root', 'tool:zstd')) return;
  using temp = makeTempDir();
  const store = unpackStore('manifest-list', temp.path);
  using repository = await makeRepository(join(temp.path, 'repository'));
  const recordsOf = (root: string) => {
    const text = readFileSync(join(root, 'overlay-images/images.json'), 'utf8');
    return JSON.parse(text) as { id: string; [key: string]: unknown }[];
  };
  const written = join(temp.path, 'written');
  const images = GOLDEN_STORES['manifest-list']?.images ?? [];
  const through = images.filter(({ diffIds, digest, manifest }) => {
    return diffIds !== undefined && digest !== manifest;
  });
  assert.ok(through.length > 1);
  for (const image of through) {
    const { id } = image;
    const name = id.slice(0, 9);
    await pullImage(repository, `containers-storage:${store}@${id}`, {
      name,
      ...platformOf(image),
    });
    await exportToContainers(repository, name, storeAt(written, `x:${name}`));
    const [found, expected] = [written, join(temp.path, 'root')].map((root) =>
      recordsOf(root).find((record) => record.id === id),
    );
    for (const key of ['digest', 'big-data-sizes', 'big-data-digests', 'layer', 'metadata']) {
      assert.deepEqual(found?.[key], expected?.[key], key);
    }
    assert.deepEqual(found?.['big-data-names'], expected?.['big-data-names']);
  }
});

test('a directory that a layer omits keeps the attributes of the layers below', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  using repository = await makeRepository(join(temp.path, 'repository'));
  const stated = { flag: '5', mode: 0o2750, uid: 7, gid: 8, mtime: 1_600_000_000 };
  const { reference } = writeTestLayout(join(temp.path, 'layout'), [
    {
      tar: testTar([
        { name: 'kept/', ...stated },
        { name: 'kept/deep/', ...stated, mode: 0o700 },
        { name: 'hidden/', ...stated },
        { name: 'opaque/', ...stated },
        { name: 'opaque/deep/', ...stated },
      ]),
    },
    { tar: testTar([{ name: 'between', content: 'x' }]) },
    {
      tar: testTar([
        { name: '.wh.hidden', content: '' },
        { name: 'opaque/', ...stated, mode: 0o711 },
        { name: 'opaque/.wh..wh..opq', content: '' },
      ]),
    },
    {
      tar: testTar(
        ['kept/deep/f', 'hidden/f', 'opaque/deep/f', 'new/f'].map((name) => ({
          name,
          content: 'y',
        })),
      ),
    },
  ]);
  await pullImage(repository, reference, { name: 'app' });
  const root = join(temp.path, 'store');
  const { layers } = await exportToContainers(repository, 'app', storeAt(root, 'app:1'));
  const stat = (name: string) => {
    const path = join(root, 'overlay', layers.at(-1)?.id ?? '', 'diff', name);
    const { mode, uid, gid, mtimeMs } = lstatSync(path);
    return [(mode & 0o7777).toString(8), uid, gid, mtimeMs === stated.mtime * 1000];
  };
  assert.deepEqual(stat('kept'), ['2750', 7, 8, true]);
  assert.deepEqual(stat('kept/deep'), ['700', 7, 8, true]);
  assert.deepEqual(stat('opaque'), ['711', 7, 8, true]);
  for (const name of ['hidden', 'opaque/deep', 'new']) {
    assert.deepEqual(stat(name), ['755', 0, 0, false], name);
  }
});

test('a hard link to a file of another layer, and a name that podman refuses, are refused', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  using repository = await makeRepository(join(temp.path, 'repository'));
  const { reference } = writeTestLayout(join(temp.path, 'layout'), [
    { tar: testTar([{ name: 'f', content: 'x' }]) },
    { tar: testTar([{ name: 'g', flag: '1', link: 'f' }]) },
  ]);
  await pullImage(repository, reference, { name: 'app' });
  const root = join(temp.path, 'store');
  await assert.rejects(exportToContainers(repository, 'app', storeAt(root, 'app:1')), (error) =>
    hasCode(error, 'LAYER_LINK_INVALID'),
  );
  assert.deepEqual(leftovers(root), []);
  for (const [name, stored] of [
    ['app', 'localhost/app:latest'],
    ['quay.io/a/b:1', 'quay.io/a/b:1'],
    ['host:5000/a', 'host:5000/a:latest'],
    ['a/b:x', 'localhost/a/b:x'],
  ] as const) {
    assert.equal(storedName(name), stored);
  }
  for (const name of ['@id', 'a@sha256:00', 'UP', 'a//b', 'a:', '../a', 'a b']) {
    assert.throws(() => storedName(name), UsageError, name);
  }
});

/** A program of this host and the libraries that it needs, as members of a tar. */
function programMembers(program: string): TestMember[] {
  const path = findProgram(program) ?? assert.fail(`no ${program}`);
  const ldd = spawnSync('ldd', [path], { encoding: 'utf8' }).stdout;
  const libraries = [...ldd.matchAll(/(\/\S+) \(0x/g)].map(([, file]) => file ?? '');
  const files = [...new Set([path, ...libraries])];
  const folders = files.flatMap((file) => {
    const parts = file.slice(1).split('/').slice(0, -1);
    return parts.map((_, at) => `${parts.slice(0, at + 1).join('/')}/`);
  });
  return [
    ...[...new Set(folders)].sort().map((name) => ({ name, flag: '5', mode: 0o755 })),
    ...files.map((file) => ({
      name: file.slice(1),
      mode: 0o755,
      content: readFileSync(file),
    })),
  ];
}

for (const type of ['xfs', 'ext4'] as const) {
  test(`podman lists, mounts, commits, copies and removes an exported image: ${type}`, async (t) => {
    if (!needs(t, 'root', type, 'tool:podman', 'tool:skopeo')) return;
    await using filesystem = await mountLoopFilesystem(type, { sizeBytes: 1 << 30 });
    using podman = await openPodman(t, { version: 4, parent: filesystem.path });
    if (podman === undefined) return;
    using repository = await makeRepository(join(podman.folder, 'repository'));
    const { reference, manifestDigest, layers } = writeTestLayout(join(podman.folder, 'layout'), [
      {
        tar: testTar([
          ...programMembers('echo'),
          { name: 'usr/gone', content: 'x' },
          { name: 'big', content: noise(300_000, 3) },
          { name: 'hard', flag: '1', link: 'big' },
          { name: 'old/', flag: '5', mode: 0o755 },
          { name: 'old/file', content: 'x' },
          { name: 'stated/', flag: '5', mode: 0o750, uid: 3, gid: 4, mtime: 1_600_000_000 },
        ]),
      },
      {
        tar: testTar([
          { name: 'usr/', flag: '5', mode: 0o755 },
          { name: 'usr/.wh.gone', content: '' },
          { name: 'old/', flag: '5', mode: 0o755 },
          { name: 'old/.wh..wh..opq', content: '' },
          { name: 'old/new', content: 'y' },
          // Its directory is stated by the layer below alone; podman's check compares both.
          { name: 'stated/file', content: 'z' },
        ]),
      },
    ]);
    await pullImage(repository, reference, { name: 'app' });
    const graph = join(podman.folder, 'graph');
    const { counts, imageId } = await exportToContainers(
      repository,
      'app',
      storeAt(graph, 'app:1'),
    );
    const isShared = type === 'xfs' && podman.folder === podman.inside;
    if (isShared) assert.equal(counts.copiedFiles, 0);
    const ask = async (...args: string[]) => {
      const { status, output } = await podman.run(...args);
      assert.equal(status, 0, `podman ${args.join(' ')}: ${output}`);
      return output;
    };
    try {
      assert.match(await ask('images', '-a'), /localhost\/app +1 /);
      const [inspected] = JSON.parse(
        (await ask('image', 'inspect', 'app:1')).replace(/^[^[]*(?=\[$)/ms, ''),
      );
      assert.equal(inspected.Id, imageId);
      assert.equal(inspected.Digest, manifestDigest);
      assert.deepEqual(
        inspected.RootFS.Layers,
        layers.map(({ diffId }) => diffId),
      );
      const script =
        'mounted=$(podman image mount app:1); chroot "$mounted" /bin/echo it runs || chroot "$mounted" /usr/bin/echo it runs; ls "$mounted/old" "$mounted/usr"; podman image umount app:1';
      const { output } = await podman.exec('sh', '-ec', script);
      assert.match(output, /it runs/);
      assert.match(output, /new/);
      assert.doesNotMatch(output, /gone|^file$/m);
      await ask('create', '--name', 'box', 'app:1', '/bin/echo');
      await ask('commit', 'box', 'above:1');
      await ask('rm', 'box');
      if (podman.version >= 5) await ask('system', 'check');
      const policy = join(podman.folder, 'policy.json');
      writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
      const specifier = `[overlay@${podman.inside}/graph+${podman.inside}/run]localhost/app:1`;
      const copied = await podman.exec(
        'skopeo',
        '--policy',
        `${podman.inside}/policy.json`,
        'copy',
        '--dest-decompress',
        `containers-storage:${specifier}`,
        `dir:${podman.inside}/copied`,
      );
      assert.equal(copied.status, 0, copied.output);
      const manifest = JSON.parse(
        readFileSync(join(podman.folder, 'copied/manifest.json'), 'utf8'),
      );
      assert.equal(manifest.config.digest, `sha256:${imageId}`);
      assert.deepEqual(
        manifest.layers.map(({ digest }: { digest: string }) => digest),
        layers.map(({ diffId }) => diffId),
      );
      await ask('rmi', 'above:1');
      await ask('rmi', 'app:1');
      assert.deepEqual(
        JSON.parse(readFileSync(join(graph, 'overlay-layers/layers.json'), 'utf8')),
        [],
      );
      const rest = readdirSync(join(graph, 'overlay')).filter((name) => name.length === 64);
      assert.deepEqual(rest, []);
    } finally {
      spawnSync('umount', [join(graph, 'overlay')]);
    }
  });
}
