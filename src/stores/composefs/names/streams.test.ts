import { deepEqual, equal, rejects, throws } from 'node:assert/strict';
import { mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseContentDigest } from '#base/digest';
import { type ErrorCode, hasCode } from '#base/errors';
import { computeVerity, objectPath } from '#formats/fsverity';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import { unpackGoldenRepository } from '../../../../test/support/golden-repo.ts';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { initRepository, openRepository, type Repository } from '../index.ts';
import { relativeTarget } from './links.ts';

const MANIFEST = parseContentDigest(
  'sha256:af9c4727598b7442fbd4435646b50f5265e5230b7c3a3bb23439e452fcdff91f',
);
const IMAGE = 'ca4c0cedfe7cf4e19090b65126e5b2ccc2e7fb4eef2af2a1bcdebe7488d5790b';

function withCode(code: ErrorCode) {
  return (error: unknown) => hasCode(error, code);
}

async function withEmpty(work: (repository: Repository, path: string) => Promise<void>) {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await work(open, path);
}

async function withBasic(work: (repository: Repository, path: string) => Promise<void> | void) {
  using temp = makeTempDir();
  const path = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  using repository = await openRepository(path);
  await work(repository, path);
}

async function document(repository: Repository, bytes: Uint8Array): Promise<Uint8Array> {
  const { id } = repository.objects.ensureBytes(bytes);
  const contentType = CONTENT_TYPES.ociBlob;
  const writer = new SplitstreamWriter({ algorithm: repository.algorithm, contentType });
  writer.writeExternal(id, bytes.length);
  return writer.finish();
}

for (const [link, target, expected] of [
  ['images/AB', 'objects/ab/c', '../objects/ab/c'],
  ['images/refs/a/b', 'images/AB', '../../AB'],
  ['streams/refs/x', 'streams/foo', '../foo'],
  ['x', 'y', 'y'],
] as const) {
  test(`a link at ${link} to ${target} has the target ${expected}`, () => {
    equal(relativeTarget(link, target), expected);
  });
}

test('streams, tags, images and documents of a repository written by cfsctl are listed', () =>
  withBasic((repository) => {
    deepEqual(
      repository.tags.list().map(({ name }) => name),
      ['img'],
    );
    const tag = repository.tags.resolve('img');
    equal(tag?.manifestDigest, MANIFEST);
    deepEqual(
      repository.streams.list().map(({ name, id }) => [name.slice(0, 12), id === undefined]),
      [
        ['oci-config-s', false],
        ['oci-layer-sh', false],
        ['oci-manifest', false],
      ],
    );
    deepEqual(
      repository.images.list().map(({ id, refs }) => [id, refs]),
      [[IMAGE, []]],
    );
    const options = { contentType: CONTENT_TYPES.ociManifest, limitBytes: 1 << 20 };
    const manifest = repository.streams.readDocument(`oci-manifest-${MANIFEST}`, options);
    equal(JSON.parse(Buffer.from(manifest.bytes).toString()).schemaVersion, 2);
    equal(manifest.id, tag?.id);
    deepEqual(repository.streams.readDocument('refs/oci/img', options).bytes, manifest.bytes);
    deepEqual(repository.streams.readDocument({ id: manifest.id }, options).bytes, manifest.bytes);
    const configId = [...manifest.namedRefs.values()][0];
    equal(configId, repository.streams.list()[0]?.id);
  }));

test('readDocument refuses a layer and another content type', () =>
  withBasic((repository) => {
    const layer = repository.streams.list()[1]?.name ?? '';
    throws(
      () => repository.streams.readDocument(layer, { limitBytes: 100 }),
      withCode('STREAM_NOT_DOCUMENT'),
    );
    throws(
      () => repository.streams.open(layer, { contentType: CONTENT_TYPES.ociConfig }),
      withCode('SPLITSTREAM_CONTENT_TYPE'),
    );
    throws(() => repository.streams.open('none'), withCode('STREAM_NOT_FOUND'));
    throws(() => repository.streams.open('refs/oci/none'), withCode('STREAM_NOT_FOUND'));
    throws(() => repository.streams.open('../meta.json'), withCode('REF_NAME_INVALID'));
  }));

test('an image opens by id, reference or refs/<name>, and does not demand fs-verity of a repository without it', () =>
  withBasic((repository, path) => {
    repository.refs.set('images', 'a/b', IMAGE);
    equal(readlinkSync(join(path, 'images/refs/a/b')), `../../${IMAGE}`);
    for (const name of [IMAGE, 'a/b', 'refs/a/b']) {
      using image = repository.images.open(name);
      deepEqual([image.id, image.wantVerity, image.object.sizeBytes > 4096], [IMAGE, false, true]);
    }
    deepEqual(repository.images.list()[0]?.refs, ['a/b']);
    for (const name of ['none', '', '..', 'refs/none', '0'.repeat(64)]) {
      throws(() => repository.images.open(name), withCode('IMAGE_NOT_FOUND'));
    }
  }));

test('a changed image is refused by id and by reference', () =>
  withBasic((repository, path) => {
    repository.refs.set('images', 'x', IMAGE);
    const file = join(path, 'objects', IMAGE.slice(0, 2), IMAGE.slice(2));
    writeFileSync(file, 'changed');
    for (const name of [IMAGE, 'x']) {
      throws(() => repository.images.open(name), withCode('OBJECT_DIGEST_MISMATCH'));
      throws(() => repository.images.read(name), withCode('OBJECT_DIGEST_MISMATCH'));
    }
  }));

test('publish sets the names of a stream and its reference, and replaces both', () =>
  withEmpty(async (repository, path) => {
    const first = repository.streams.publish('s', await document(repository, Buffer.from('1')), {
      ref: 'a/r',
    });
    equal(repository.streams.idOf('s'), first);
    equal(readlinkSync(join(path, 'streams/s')), `../objects/${objectPath(first)}`);
    equal(readlinkSync(join(path, 'streams/refs/a/r')), '../../s');
    const second = repository.streams.publish('s', await document(repository, Buffer.from('2')), {
      ref: 'a/r',
    });
    equal(repository.streams.idOf('s'), second);
    equal(
      Buffer.from(repository.streams.readDocument('refs/a/r', { limitBytes: 9 }).bytes).toString(),
      '2',
    );
    deepEqual(repository.refs.list('streams'), [{ name: 'a/r', target: 's', id: second }]);
    deepEqual(repository.refs.list('streams', 'a'), [{ name: 'r', target: 's', id: second }]);
    deepEqual(readdirSync(join(path, 'streams')).sort(), ['refs', 's']);
  }));

test('register names a stored object, and refuses one that is not stored', () =>
  withEmpty(async (repository) => {
    const { id } = repository.objects.ensureBytes(await document(repository, Buffer.from('1')));
    repository.streams.register('s', id, { ref: 'r' });
    equal(repository.streams.idOf('s'), id);
    const absent = computeVerity(Buffer.from('absent'), 'sha256');
    throws(() => repository.streams.register('t', absent), withCode('OBJECT_NOT_FOUND'));
    equal(repository.streams.has('t'), false);
  }));

test('names that lead outside their directory are refused before anything is written', () =>
  withEmpty(async (repository) => {
    const content = await document(repository, Buffer.from('1'));
    for (const name of ['', '.', '..', 'a/b', 'refs', 'a\n']) {
      throws(() => repository.streams.publish(name, content), withCode('REF_NAME_INVALID'));
    }
    throws(
      () => repository.streams.publish('s', content, { ref: '../x' }),
      withCode('REF_NAME_INVALID'),
    );
    deepEqual(repository.streams.list(), []);
  }));

test('a link that leads out of the repository is not a stream', () =>
  withEmpty(async (repository, path) => {
    mkdirSync(join(path, 'streams'));
    symlinkSync('/etc/passwd', join(path, 'streams/outside'));
    writeFileSync(join(path, 'streams/file'), 'x');
    throws(() => repository.streams.open('outside'), withCode('REPO_ENTRY_INVALID'));
    throws(() => repository.streams.open('file'), withCode('REPO_ENTRY_INVALID'));
    deepEqual(
      repository.streams.list().map(({ id }) => id),
      [undefined, undefined],
    );
  }));

test('a tag needs a manifest, is escaped on disk, and can be removed once', () =>
  withBasic((repository, path) => {
    repository.tags.set('a/b%c', MANIFEST);
    equal(readlinkSync(join(path, 'streams/refs/oci/a%2Fb%25c')), `../../oci-manifest-${MANIFEST}`);
    deepEqual(
      repository.tags.list().map(({ name }) => name),
      ['a/b%c', 'img'],
    );
    const absent = parseContentDigest(`sha256:${'0'.repeat(64)}`);
    throws(() => repository.tags.set('x', absent), withCode('STREAM_NOT_FOUND'));
    throws(() => repository.tags.set('@x', MANIFEST), withCode('REF_NAME_INVALID'));
    equal(repository.tags.remove('a/b%c'), true);
    equal(repository.tags.remove('a/b%c'), false);
    equal(repository.tags.resolve('a/b%c'), undefined);
  }));

test('a dangling tag is listed as dangling and can be removed', () =>
  withBasic((repository, path) => {
    symlinkSync(`../../oci-manifest-sha256:${'0'.repeat(64)}`, join(path, 'streams/refs/oci/lost'));
    deepEqual(
      repository.tags.list().map(({ name, id }) => [name, id === undefined]),
      [
        ['img', false],
        ['lost', true],
      ],
    );
    equal(repository.tags.remove('lost'), true);
  }));

test('publishing an image sets its reference', () =>
  withEmpty(async (repository, path) => {
    const bytes = Buffer.alloc(4096, 7);
    const id = repository.images.publish(bytes, { ref: 'r' });
    equal(id, computeVerity(bytes, 'sha256'));
    equal(readlinkSync(join(path, 'images', id)), `../objects/${objectPath(id)}`);
    equal(readlinkSync(join(path, 'images/refs/r')), `../${id}`);
    deepEqual(Buffer.from(repository.images.read('r').bytes), bytes);
    equal(repository.images.has(id), true);
    await rejects(
      async () => repository.images.publish(bytes, { ref: '' }),
      withCode('REF_NAME_INVALID'),
    );
  }));
