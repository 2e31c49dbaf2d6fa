/**
 * A realistic image, made and applied by GNU tar: pulled, checked, given back, and compared with what the kernel shows of it, file by
 * file.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { objectPath } from '#formats/fsverity';
import { parseReference } from '#formats/oci';
import { checkOciImages, checkRepository } from '#work/check';
import { exportImage } from '#work/export';
import { openOciImage } from '#work/image';
import { mountImage, unmountImage } from '#work/mount';
import { pullImage } from '#work/pull-image';
import { openOrCreate, type Repository } from '#work/repository';
import { type SampleImage, writeSampleImage } from '../../tools/sample-image.ts';
import { findProgram, needs, reasonMissing } from '../support/capability.ts';
import { type LoopFilesystem, mountLoopFilesystem } from '../support/loop-fs.ts';
import { applyLayers, makeRealLayers, type RealLayer } from './real-layers.ts';

const NEEDS = [
  'root',
  'xfs',
  'erofs',
  'overlay',
  'tool:tar',
  'tool:getfattr',
  'tool:find',
] as const;
const FILES_MIN = 20_000;
const OUTPUT_BYTES_MAX = 64 << 20;
const BIG = { sizeBytes: 2 ** 30 };

let filesystem: LoopFilesystem | undefined;
let layers: RealLayer[];
let image: SampleImage;
let repository: Repository;

before(async () => {
  if (NEEDS.some((need) => reasonMissing(need) !== '')) return;
  filesystem = await mountLoopFilesystem('xfs', BIG);
  layers = makeRealLayers(filesystem.path);
  const compressions = ['gzip', 'zstd', 'gzip', 'none'] as const;
  const samples = layers.map(({ tar }, index) => ({
    tar,
    compression: compressions[index] ?? 'none',
  }));
  const write = (tag: string, count: number) =>
    writeSampleImage(
      at('layout'),
      tag,
      samples.slice(0, count).map(({ tar, compression }) => ({
        tar: createReadStream(tar),
        compression,
      })),
    );
  image = await write('latest', samples.length);
  await write('lower', samples.length - 1);
  repository = (await openOrCreate({ path: join(filesystem.path, 'repo') }, { insecure: true }))
    .repository;
});
after(async () => {
  repository?.[Symbol.dispose]();
  await filesystem?.[Symbol.asyncDispose]();
});

function at(name: string): string {
  return join(filesystem?.path ?? '', name);
}

function imageId() {
  const id = openOciImage(repository, 'app').imageId(repository.formats.default);
  assert.ok(id !== undefined);
  return id;
}

/** Output of a program as sorted records, one character a byte. */
function run(program: string, parameters: readonly string[], separator = '\n'): string[] {
  const bytes = execFileSync(program, parameters, { maxBuffer: OUTPUT_BYTES_MAX });
  return bytes.toString('latin1').split(separator).sort();
}

test('a realistic image is pulled, and fsck finds nothing', async (t) => {
  if (!needs(t, ...NEEDS)) return;
  const report = await pullImage(repository, `oci:${at('layout')}:latest`, { name: 'app' });
  assert.equal(report.manifestDigest, image.manifestDigest);
  assert.deepEqual((await checkRepository(repository)).findings, []);
  const checked = await checkOciImages(repository, { content: true, rebuild: true });
  assert.deepEqual([checked.imagesChecked, checked.findings], [1, []]);
});

test('a realistic image is exported with the same config and the same tars', async (t) => {
  if (!needs(t, ...NEEDS)) return;
  const reference = parseReference(`oci:${at('plain')}:latest`);
  assert.ok(reference.transport === 'oci');
  const { configDigest, layers: exported } = await exportImage(repository, 'app', reference);
  const { config, configBytes } = openOciImage(repository, 'app');
  const blob = (digest: string) => readFileSync(join(at('plain/blobs'), digest.replace(':', '/')));
  assert.deepEqual(blob(configDigest), Buffer.from(configBytes));
  assert.deepEqual(
    exported.map(({ digest }) => digest as string),
    config?.diffIds,
  );
  for (const [index, { digest }] of exported.entries()) {
    assert.ok(blob(digest).equals(readFileSync(layers[index]?.tar ?? '')));
  }
});

test('a realistic image with kept blobs is exported byte for byte', async (t) => {
  if (!needs(t, ...NEEDS)) return;
  await pullImage(repository, `oci:${at('layout')}:latest`, { name: 'app', keepBlobs: true });
  const reference = parseReference(`oci:${at('kept')}:latest`);
  assert.ok(reference.transport === 'oci');
  const report = await exportImage(repository, 'app', reference);
  assert.deepEqual([report.identical, report.manifestDigest], [true, image.manifestDigest]);
  assert.ok(report.layers.slice(0, 3).every(({ method }) => method === 'reflinked'));
  const blobs = (layout: string) => readdirSync(at(`${layout}/blobs/sha256`)).sort();
  assert.equal(blobs('kept').length, layers.length + 2);
  for (const name of blobs('kept')) {
    execFileSync('cmp', [at(`kept/blobs/sha256/${name}`), at(`layout/blobs/sha256/${name}`)]);
  }
});

test('fsck.erofs accepts the EROFS image of a realistic image', (t) => {
  if (!needs(t, ...NEEDS, 'tool:fsck.erofs')) return;
  const file = at(`repo/objects/${objectPath(imageId())}`);
  const done = spawnSync(findProgram('fsck.erofs') ?? '', [file], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout + done.stderr);
});

test('a mounted realistic image equals its layers unpacked by GNU tar', async (t) => {
  if (!needs(t, ...NEEDS)) return;
  applyLayers(layers, at('expected'));
  mkdirSync(at('mnt'));
  mountImage(repository, imageId(), at('mnt'));
  try {
    const files = compareTrees(at('mnt'), at('expected'));
    assert.ok(files > FILES_MIN, `${files} files`);
  } finally {
    await unmountImage(at('mnt'));
  }
});

/** Compares everything that a person can see of two trees; returns how many names they have. */
function compareTrees(found: string, expected: string): number {
  const listings: readonly (readonly string[])[] = [
    // Directories have no size or number of links that two filesystems would agree on.
    ['-type', 'd', '-printf', '%y %m %U %G %T@ %P\\0'],
    ['!', '-type', 'd', '-printf', '%y %m %U %G %T@ %s %n %l %P\\0'],
  ];
  let names = 0;
  for (const listing of listings) {
    const rows = run('find', [expected, ...listing], '\0');
    assert.deepEqual(run('find', [found, ...listing], '\0'), rows);
    names += rows.length - 1;
  }
  for (const shown of [sameInodes, devices, attributes, contents]) {
    const rows = shown(expected);
    assert.ok(rows.length > 0, shown.name);
    assert.deepEqual(shown(found), rows, shown.name);
  }
  return names;
}

/** Names that are the same file, together. */
function sameInodes(top: string): string[] {
  const groups = new Map<string, string[]>();
  const rows = run('find', [top, '-type', 'f', '-links', '+1', '-printf', '%i %P\\0'], '\0');
  for (const row of rows.filter((text) => text !== '')) {
    const space = row.indexOf(' ');
    const group = groups.get(row.slice(0, space)) ?? [];
    group.push(row.slice(space + 1));
    groups.set(row.slice(0, space), group);
  }
  return [...groups.values()].map((names) => names.sort().join('\0')).sort();
}

function devices(top: string): string[] {
  return run('find', [
    ...[top, '(', '-type', 'b', '-o', '-type', 'c', ')'],
    ...['-exec', 'stat', '--printf', '%n %F %t:%T\\n', '{}', '+'],
  ]).map((row) => row.replace(top, ''));
}

/** The one attribute that images keep; any other that shows is in the list of what the mount shows, and so makes it differ. */
function attributes(top: string): string[] {
  const kept = top === at('expected') ? '^security\\.capability$' : '-';
  const options = ['--recursive', '--no-dereference', '--encoding=hex', '--absolute-names'];
  return run('getfattr', [...options, `--match=${kept}`, top]).map((row) => row.replace(top, ''));
}

/** Digests of all contents. */
function contents(top: string): string[] {
  const list = execFileSync('find', ['.', '-type', 'f', '-print0'], {
    cwd: top,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const sums = execFileSync('xargs', ['-0', 'sha256sum', '--zero'], {
    cwd: top,
    input: list,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  return sums.toString('latin1').split('\0').sort();
}

test('a realistic image has the id that cfsctl computes', async (t) => {
  if (!needs(t, ...NEEDS)) return;
  const cfsctl = findProgram('cfsctl');
  if (cfsctl === undefined) {
    t.diagnostic('cfsctl is not installed: nothing to compare with');
    return;
  }
  const report = await pullImage(repository, `oci:${at('layout')}:lower`, { name: 'lower' });
  assert.ok(report.layers.every(({ status }) => status === 'present'));
  const parameters = ['--insecure', '--repo', at('repo'), 'oci', 'compute-id', 'lower'];
  assert.equal(execFileSync(cfsctl, parameters, { encoding: 'utf8' }).trim(), report.imageId);
});
