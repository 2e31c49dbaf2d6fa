/**
 * Layers that go from one repository to another over varlink: `GetLayer`, `PutLayer` and `FinalizeImage` of our `cfsctl`, with itself and with
 * composefs-rs 0.9.4 where it is installed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { SplitdirfdReader } from '#formats/splitdirfdstream';
import { openPipe } from '#host';
import { checkRepository, initRepository, openRepository } from '#stores/composefs';
import { listOciImages } from '#work/image';
import { pullImage } from '#work/pull-image';
import { needs } from '../../support/capability.ts';
import { readGolden, unpackGolden } from '../../support/containers-stores.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { RawClient, type RawReply } from '../../support/varlink-client.ts';
import { type RunningService, startService } from '../../support/varlink-service.ts';
import { cfsctl } from './replay.ts';

const LAYOUTS = fileURLToPath(new URL('../../golden/cfsctl/oci', import.meta.url));
const CASES = ['sizes', 'types', 'whiteouts', 'artifact-platform'];

type Algorithm = 'sha256' | 'sha512';
type Json = Readonly<Record<string, unknown>>;
type File = RawReply['files'][number];

/** One service with one repository. */
class Side {
  readonly client: RawClient;
  readonly handle: unknown;

  constructor(client: RawClient, handle: unknown) {
    this.client = client;
    this.handle = handle;
  }

  static async open(service: Pick<RunningService, 'connect'>, path: string): Promise<Side> {
    const client = await service.connect();
    const method = 'org.composefs.Repository.OpenRepository';
    const [reply] = await client.call({ method, parameters: { path } });
    return new Side(client, parametersOf(reply)['handle']);
  }

  async oci(method: string, parameters: Json, files: readonly File[] = []): Promise<Json> {
    const [reply] = await this.call(method, parameters, files);
    return JSON.parse(reply?.text ?? '{}') as Json;
  }

  async call(method: string, parameters: Json, files: readonly File[] = [], more = false) {
    const whole = { handle: this.handle, ...parameters };
    return await this.client.call(
      { method: `org.composefs.Oci.${method}`, parameters: whole, more },
      files,
    );
  }

  /** The directories and the stream of a layer. */
  async get(parameters: Json, more = true) {
    const replies = await this.call('GetLayer', parameters, [], more);
    const files = replies.flatMap((reply) => reply.files);
    const count = Number(parametersOf(replies[0])['dir_count']);
    return { replies, files, passed: files.slice(0, 1 + count) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

function parametersOf(reply: RawReply | undefined): Json {
  const { parameters, error } = JSON.parse(reply?.text ?? '{}') as Json;
  assert.equal(error, undefined, reply?.text ?? '');
  return parameters as Json;
}

function close(files: readonly Disposable[]): void {
  for (const file of files) file[Symbol.dispose]();
}

/** Copies every image; returns the counts of all layers. */
async function copyAll(from: Side, to: Side, zerocopy: boolean): Promise<Json[]> {
  const counts: Json[] = [];
  const { images } = (await from.oci('ListImages', {}))['parameters'] as {
    images: { name: string; is_container: boolean }[];
  };
  for (const { name, is_container: isContainer } of images) {
    const { manifest, config } = (await from.oci('Inspect', { image: name }))['parameters'] as {
      manifest: string;
      config: string;
    };
    const ids: string[] = isContainer
      ? JSON.parse(config).rootfs.diff_ids
      : JSON.parse(manifest).layers.map((layer: { digest: string }) => layer.digest);
    const layers: Json[] = [];
    for (const id of ids) {
      const { files, passed } = await from.get({ params: { diff_id: id } });
      const put = await to.oci('PutLayer', { diff_id: id, zerocopy }, passed);
      close(files);
      const result = put['parameters'] as Json;
      assert.equal(put['error'], undefined, JSON.stringify(put));
      counts.push(result);
      layers.push({ diff_id: id, layer_verity: result['layer_verity'] });
    }
    const finished = await to.oci('FinalizeImage', {
      manifest_json: manifest,
      config_json: config,
      layers,
      name,
    });
    assert.equal(finished['error'], undefined, JSON.stringify(finished));
  }
  return counts;
}

async function makeRepository(path: string, algorithm: Algorithm, isFull: boolean): Promise<void> {
  const { repository } = await initRepository(path, { algorithm, insecure: true });
  using made = repository;
  for (const name of isFull ? CASES : []) {
    const layout = `oci:${join(LAYOUTS, name, 'layout')}`;
    await pullImage(made, layout, {
      name,
      reading: 'cfsctl',
      platform: { os: 'linux', architecture: 'amd64' },
    });
  }
}

/** The images of a repository by their names. */
async function idsOf(path: string): Promise<string> {
  using repository = await openRepository(path, { insecure: true });
  const rows = listOciImages(repository);
  return rows
    .map(({ name, image }) => `${name} ${image?.manifestDigest} ${image?.imageId(1)}`)
    .sort()
    .join('\n');
}

async function requireSound(path: string): Promise<void> {
  using repository = await openRepository(path, { insecure: true });
  const { findings } = await checkRepository(repository, {});
  assert.deepEqual(findings, []);
}

for (const hash of ['sha256', 'sha512'] as const) {
  test(`images are copied from one varlink service to another (${hash})`, async () => {
    using temp = makeTempDir();
    const at = (name: string) => join(temp.path, name);
    await makeRepository(at('a'), hash, true);
    await makeRepository(at('b'), hash, false);
    await using service = startService('cfsctl', ['varlink'], at('s'));
    await using from = await Side.open(service, at('a'));
    await using to = await Side.open(service, at('b'));
    await copyAll(from, to, false);
    assert.equal(await idsOf(at('b')), await idsOf(at('a')));
    await requireSound(at('b'));
    for (const again of await copyAll(from, to, false)) {
      assert.equal(again['already_present'], true);
      assert.equal(Number(again['objects_copied']) + Number(again['objects_reflinked']), 0);
    }
    if (hash === 'sha512') return;
    await makeRepository(at('c'), hash, false);
    await using linked = await Side.open(service, at('c'));
    for (const count of await copyAll(from, linked, true)) {
      // The blob of the artifact is no tar.
      const isBlob = count['objects_hardlinked'] === 0 && count['objects_reflinked'] === 0;
      assert.ok(isBlob || count['objects_copied'] === 0, JSON.stringify(count));
    }
    await requireSound(at('c'));
  });
}

/** The original as a service. */
async function startOriginal(address: string) {
  const child = spawn('cfsctl', ['--insecure', 'varlink', '--address', address], {
    stdio: 'ignore',
  });
  const ended = once(child, 'close');
  return {
    connect: () => RawClient.open(address),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

test('images are copied to composefs-rs and back', async (t: TestContext) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  await makeRepository(at('a'), 'sha256', true);
  await makeRepository(at('b'), 'sha256', false);
  await makeRepository(at('c'), 'sha256', false);
  await using ours = startService('cfsctl', ['varlink'], at('s'));
  await using theirs = await startOriginal(at('t'));
  await using from = await Side.open(ours, at('a'));
  await using middle = await Side.open(theirs, at('b'));
  await using to = await Side.open(ours, at('c'));
  await copyAll(from, middle, false);
  await requireSound(at('b'));
  await copyAll(middle, to, false);
  await requireSound(at('c'));
  assert.equal(await idsOf(at('c')), await idsOf(at('a')));
});

/** A pipe with these bytes, whose writer has gone. */
function pipeOf(bytes: Uint8Array): File {
  const { reader, writer } = openPipe('writer');
  writeFileSync(writer.fd, bytes);
  writer[Symbol.dispose]();
  return reader;
}

function directoryOf(path: string): File {
  const fd = openSync(path, 'r');
  return { fd, label: path, [Symbol.dispose]: () => closeSync(fd) };
}

test('a layer with a wrong digest or content is refused, and its stream gets no name', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  await makeRepository(at('a'), 'sha256', false);
  await using service = startService('cfsctl', ['varlink'], at('s'));
  await using side = await Side.open(service, at('a'));
  writeFileSync(at('secret'), 'x'.repeat(100));
  const file = (name: string) => {
    const head = Buffer.alloc(17);
    head.writeUInt8(2);
    head.writeBigUInt64LE(100n, 1);
    head.writeUInt32LE(name.length, 13);
    return Buffer.concat([head, Buffer.from(name)]);
  };
  const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const bodies: readonly [string, Uint8Array][] = [
    [empty, Buffer.from([0])],
    [empty, Buffer.from([9])],
    [empty, Buffer.from([1, 0xff, 0xff, 0xff, 0xff])],
    [empty, file('../secret')],
    [empty, file('/etc/passwd')],
    [empty, file('missing')],
    [empty, Buffer.concat([Buffer.from([0, 4, 0, 0, 0]), Buffer.from('junk')])],
    [`sha256:${'0'.repeat(64)}`, Buffer.alloc(0)],
  ];
  for (const [id, body] of bodies) {
    const files = [pipeOf(body), directoryOf(at('a'))];
    const { error } = await side.oci('PutLayer', { diff_id: id, zerocopy: false }, files);
    close(files);
    assert.match(String(error), /InternalError|DiffIdMismatch/, body.toString());
    const found = (await side.oci('HasLayer', { diff_id: id }))['parameters'] as Json;
    assert.equal(found['present'], false);
  }
  const { error } = await side.oci('PutLayer', { diff_id: empty, zerocopy: false });
  assert.equal(error, 'org.composefs.Oci.InvalidRequest');
  await requireSound(at('a'));
});

test('GetLayer calls with missing or extra parameters are refused as composefs-rs refuses them', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  await makeRepository(at('a'), 'sha256', true);
  await using service = startService('cfsctl', ['varlink'], at('s'));
  await using side = await Side.open(service, at('a'));
  const missing = `sha256:${'0'.repeat(64)}`;
  for (const [parameters, error] of [
    [{ diff_id: missing }, 'org.varlink.service.InvalidParameter'],
    [{ params: {} }, 'org.composefs.Oci.InvalidRequest'],
    [{ params: { diff_id: 'sha256:zz' } }, 'org.composefs.Oci.InvalidDigest'],
    [{ params: { diff_id: missing } }, 'org.composefs.Oci.NoSuchLayer'],
    [{ handle: 99, params: { diff_id: missing } }, 'org.composefs.Oci.InvalidHandle'],
  ] as const) {
    assert.equal((await side.oci('GetLayer', parameters))['error'], error);
  }
});

test('a layer is served during gc, and its service ends although a client still has a connection', async () => {
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  await makeRepository(at('a'), 'sha256', true);
  await using service = startService('cfsctl', ['varlink'], at('s'));
  await using side = await Side.open(service, at('a'));
  const { config } = (await side.oci('Inspect', { image: 'sizes' }))['parameters'] as Json;
  const [id = ''] = JSON.parse(String(config)).rootfs.diff_ids as string[];
  const { files, replies } = await side.get({ params: { diff_id: id } }, false);
  assert.equal(replies.length, 1);
  await side.oci('Untag', { name: 'sizes' });
  const { status, stderr } = await cfsctl(['--repo', at('a'), 'gc']);
  assert.equal(status, 0, stderr);
  const stream = readFileSync(files[0]?.fd ?? assert.fail());
  const reader = new SplitdirfdReader();
  const names = [...reader.push(stream)].flatMap((one) => (one.kind === 'file' ? [one.name] : []));
  reader.end();
  for (const name of names) readFileSync(join(at('a'), 'objects', name));
  service.child.kill('SIGTERM');
  await service.ended;
  close(files);
});

test('a layer of containers-storage is served by the path of its store and its layer id', async (t) => {
  if (!needs(t, 'root', 'tool:zstd')) return;
  using temp = makeTempDir();
  const at = (name: string) => join(temp.path, name);
  await makeRepository(at('a'), 'sha256', false);
  unpackGolden('streams/store.tar.zst', at('store'));
  const root = join(at('store'), 'root');
  const layers = JSON.parse(readFileSync(join(root, 'overlay-layers/layers.json'), 'utf8')) as {
    id: string;
    'diff-digest': string;
  }[];
  await using service = startService('cfsctl', ['varlink'], at('s'));
  await using side = await Side.open(service, at('a'));
  const expected = readGolden('streams/holes-privileged.splitdirfd');
  const lengths: number[] = [];
  for (const { id, 'diff-digest': diffId } of layers) {
    const storage = { storage_path: root, layer_id: id };
    const params = { storage, consumer_has_cap_dac_override: true };
    const { files, passed } = await side.get({ params });
    const put = await side.oci('PutLayer', { diff_id: diffId, zerocopy: false }, passed);
    close(files);
    assert.equal(put['error'], undefined, JSON.stringify(put));
    const again = await side.get({ params });
    const bytes = readFileSync(again.files[0]?.fd ?? assert.fail());
    close(again.files);
    lengths.push(bytes.length);
    const tar = await cfsctl(['--repo', at('a'), 'oci', 'layer', diffId]);
    assert.equal(computeContentDigest(tar.stdout, 'sha256'), diffId);
  }
  assert.ok(lengths.includes(expected.length));
  const none = { storage: { storage_path: root, layer_id: 'f'.repeat(64) } };
  assert.match(String((await side.oci('GetLayer', { params: none }))['error']), /InternalError/);
});
