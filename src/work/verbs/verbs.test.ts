import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { needs } from '../../../test/support/capability.ts';
import { writeSmallStore } from '../../../test/support/containers-stores.ts';
import { FakeRegistry } from '../../../test/support/fake-registry.ts';
import { MemoryRegistry } from '../../../test/support/memory-registry.ts';
import { unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeMemoryDir, type TempDir } from '../../../test/support/temp-dir.ts';
import { VERBS, type VerbContext } from './index.ts';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));
const HERE = process.cwd();

let scratch: TempDir;
const warned: string[] = [];
let context: VerbContext;
let written: Buffer[];
let registry: FakeRegistry;

type Json = { readonly [key: string]: unknown };

/** Runs a verb and gives what JSON says of its report, which must be all that its schema says. */
async function ask(name: string, request: unknown, isPlan = false): Promise<Json> {
  const verb = await VERBS.find((row) => row.name === name)?.load();
  if (verb === undefined) throw new Error(`there is no verb ${name}`);
  const asked = verb.parse(request);
  const report = isPlan ? await verb.plan?.(context, asked) : await verb.run(context, asked);
  const said: unknown = JSON.parse(JSON.stringify(report));
  deepEqual(v.parse(verb.report, said), said, `${name} says what its schema does not know`);
  return said as Json;
}

/** Fails with this code. */
async function refuses(code: string, name: string, request: unknown): Promise<void> {
  await rejects(ask(name, request), { code }, `${name} ${JSON.stringify(request)}`);
}

before(async () => {
  scratch = makeMemoryDir();
  process.chdir(scratch.path);
  written = [];
  context = {
    repository: { path: join(scratch.path, 'repo') },
    signal: new AbortController().signal,
    onProgress: () => {},
    jobs: 1,
    mayInit: true,
    requireVerity: false,
    warn: (text) => void warned.push(text),
    detail: () => {},
    async write(piece) {
      written.push(Buffer.from(piece));
    },
  };
  cpSync(join(GOLDEN, 'basic/layout'), 'layout', { recursive: true });
  const memory = new MemoryRegistry({ referrers: true });
  memory.addLayout('ns/app', 'layout', '1');
  registry = await FakeRegistry.start(memory.handler);
  await ask('pull', { reference: 'oci:layout:latest', names: ['app'] });
  await ask('pull', {
    reference: `oci:${join(GOLDEN, 'whiteouts/layout')}:latest`,
    names: ['other'],
  });
  await ask('pull', {
    reference: `oci:${join(GOLDEN, 'artifact/layout')}:latest`,
    names: ['data'],
  });
  writeSmallStore(join(scratch.path, 'graph'), 'localhost/app:1', [
    { name: 'file', content: 'content '.repeat(20) },
  ]);
  const graph = JSON.stringify(join(scratch.path, 'graph'));
  writeFileSync('storage.conf', `[storage]\ngraphroot = ${graph}\n`);
  process.env['CONTAINERS_STORAGE_CONF'] = join(scratch.path, 'storage.conf');
  await ask('ostree commit', { image: 'app', reference: 'os' });
  const exported = { commit: 'os', path: join(scratch.path, 'os-repo'), reference: ['os'] };
  await ask('ostree export', { ...exported, mode: 'archive' });
  await ask('tag', { name: 'app', newName: 'extra' });
  await ask('image dump', { name: 'app' });
  writeFileSync('app.dump', Buffer.concat(written));
  using fixture = unpackOstree('mini');
  cpSync(join(fixture.path, 'fxmini/deltafiles/scratch-v1-inline.delta'), 'update.delta');
  mkdirSync('mnt');
});
after(async () => {
  await registry[Symbol.asyncDispose]();
  process.chdir(HERE);
  delete process.env['CONTAINERS_STORAGE_CONF'];
  scratch[Symbol.dispose]();
});

/** Plans and runs the examples of a verb. */
async function askExamples(name: string): Promise<void> {
  const verb = await VERBS.find((row) => row.name === name)?.load();
  for (const { request } of verb?.examples ?? []) {
    const inScratch: unknown = JSON.parse(
      JSON.stringify(request)
        .replaceAll('"/tmp', `"${scratch.path}`)
        .replaceAll('localhost:5000', registry.plainHost),
    );
    if (verb?.plan !== undefined) await ask(name, inScratch, true);
    await ask(name, inScratch);
    // What an example removes exists again for the next.
    await ask('tag', { name: 'app', newName: 'extra' });
  }
}

test('the examples of mount and umount can be planned and run', async (t) => {
  if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay-lower-by-fd')) return;
  await askExamples('mount');
  await askExamples('umount');
});

test('every other example of every verb can be planned and run, and its report matches the schema', async () => {
  for (const { name } of VERBS) {
    // Those of unified storage need a filesystem of their own: see test/unified.
    if (!['mount', 'umount'].includes(name) && !name.startsWith('unified '))
      await askExamples(name);
  }
});

test('commits, OCI images and bare images are accepted by the same verbs', async () => {
  const { imageId } = (await ask('image id', { name: 'os' })) as { imageId: string };
  await ask('tag', { name: imageId, newName: 'refs/bare' });
  const rows = (await ask('images', {}))['images'] as Json[];
  const kinds = new Map(rows.map(({ name, kind }) => [name, kind]));
  deepEqual(
    ['app', 'data', 'os', 'bare'].map((name) => kinds.get(name)),
    ['image', 'artifact', 'commit', 'erofs'],
  );
  const [image, commit, bare] = await Promise.all(
    ['app', 'os', 'refs/bare'].map(async (name) => {
      const { entries } = (await ask('ls', { name, path: '/usr/..' })) as { entries: Json[] };
      return entries.map(({ path }) => path);
    }),
  );
  deepEqual(commit, image);
  deepEqual(bare, image);
  for (const name of ['app', 'os', 'refs/bare']) {
    written = [];
    await ask('cat', { name, paths: ['/hello.txt'] });
    equal(Buffer.concat(written).toString(), 'hello from test layer\n', name);
    equal((await ask('inspect', { name }))['name'], name);
    written = [];
    await ask('image dump', { name });
    ok(Buffer.concat(written).includes('/hello-link.txt 22 100644'), name);
    const to = join(scratch.path, `out-${name.replace('/', '-')}`);
    await ask('export', { name, target: to, owners: false });
    ok(existsSync(join(to, 'hello.txt')), name);
    const { changes } = (await ask('diff', { name, otherName: 'refs/bare' })) as {
      changes: Json[];
    };
    equal(changes.length > 0, name === 'app', name);
  }
  const removed = (await ask('rm', { names: ['refs/bare'] }))['removed'] as Json[];
  deepEqual([removed[0]?.['kind'], removed[0]?.['names']], ['erofs', ['bare']]);
});

test('any unique prefix of a printed id is accepted, and an ambiguous one is refused', async () => {
  const rows = (await ask('images', {}))['images'] as Json[];
  const row = (name: string) => rows.find((one) => one['name'] === name) ?? {};
  const manifest = String(row('app')['manifestDigest']);
  for (const id of [manifest, `@${manifest}`, manifest.slice(7, 19), `@${manifest.slice(0, 20)}`]) {
    equal((await ask('inspect', { name: id }))['manifestDigest'], manifest, id);
  }
  const config = String(row('app')['configDigest']).slice(7, 19);
  equal((await ask('inspect', { name: config }))['manifestDigest'], manifest);
  const commit = String(row('os')['commit']);
  equal((await ask('inspect', { name: commit.slice(0, 12) }))['commit'], commit);
  const imageId = String(row('app')['imageId']);
  equal((await ask('inspect', { name: imageId.slice(0, 12) }))['imageId'], imageId);
  await refuses('IMAGE_NOT_FOUND', 'inspect', { name: 'abc' });
  await refuses('IMAGE_NOT_FOUND', 'ls', { name: 'ffffffffffff' });
});

test('a name of both an image and a commit is refused with both unambiguous spellings', async () => {
  warned.length = 0;
  equal((await ask('tag', { name: 'os', newName: 'app' }))['replaced'], null);
  match(warned[0] ?? '', /use image:app or commit:app/);
  await rejects(ask('ls', { name: 'app' }), {
    code: 'NAME_AMBIGUOUS',
    details: { name: 'app', found: ['image:app', 'commit:app'] },
  });
  await refuses('NAME_AMBIGUOUS', 'untag', { names: ['app'] });
  equal((await ask('inspect', { name: 'image:app' }))['kind'], 'image');
  equal((await ask('inspect', { name: 'commit:app' }))['kind'], 'commit');
  await ask('untag', { names: ['commit:app'] });
  equal((await ask('inspect', { name: 'app' }))['kind'], 'image');
  await refuses('TAG_NOT_FOUND', 'untag', { names: ['commit:app'] });
});

test('an option that does not apply to the kind of object is refused, not ignored', async () => {
  const cases: readonly (readonly [verb: string, request: Json])[] = [
    ['ls', { name: 'app', checksum: true }],
    ['ls', { name: 'app', platform: 'linux/amd64' }],
    ['inspect', { name: 'app', metadata: true }],
    ['inspect', { name: 'os', manifest: true }],
    ['history', { name: 'app', limit: 1 }],
    ['export', { name: 'app', target: '/nowhere', compression: 'gzip' }],
    ['export', { name: 'app', target: 'oci:/nowhere', owners: false }],
    ['export', { name: 'os', target: 'oci:/nowhere' }],
    ['image dump', { name: 'app', compatXattrNul: true }],
    ['diff', { name: 'app', otherName: 'os', platform: 'linux/amd64' }],
    ['pull', { reference: 'ostree-local:os-repo:os', platform: 'linux/amd64' }],
    ['pull', { reference: 'ostree-local:os-repo:os', retries: 1 }],
    ['ostree pull', { reference: 'ostree-local:os-repo:os', verifySummary: true }],
    ['pull', { reference: 'oci:layout', delta: false }],
  ];
  for (const [verb, request] of cases) await refuses('USAGE', verb, request);
});

test('files and history of an artifact are refused with the reason', async () => {
  await refuses('IMAGE_NOT_BUILDABLE', 'ls', { name: 'data' });
  await refuses('IMAGE_NOT_BUILDABLE', 'image create', { name: 'data' });
  await refuses('IMAGE_WITHOUT_HISTORY', 'history', { name: 'data' });
  equal((await ask('inspect', { name: 'data' }))['kind'], 'artifact');
});

test('a request with a key that the schema rejects is refused with that key', async () => {
  await rejects(ask('tree', { name: 'app', depth: -1 }), /Cannot read --depth: expected >=0/);
  await rejects(ask('ls', { name: 'app', unknown: 1 }), /Cannot read --unknown/);
  await rejects(ask('find', { name: 'app', minSizeBytes: 'x' }), /Cannot read --min-size/);
});

test('an image pulled without a tag has a usable name', async () => {
  for (const [reference, name] of [
    ['oci:layout', 'layout'],
    ['oci:./layout/:latest', 'layout:latest'],
  ] as const) {
    equal((await ask('pull', { reference }))['name'], name);
    await ask('ls', { name });
    await ask('rm', { names: [name] });
  }
});

test('a reference without a target, or an invalid name, creates no repository', async () => {
  const before = context;
  context = { ...before, repository: { path: join(scratch.path, 'none') } };
  await refuses('IMAGE_SOURCE_NOT_FOUND', 'pull', { reference: 'oci:missing' });
  for (const name of ['@no', '', '--help', 'oci:x', 'a'.repeat(64), `sha256:${'0'.repeat(64)}`]) {
    await refuses('USAGE', 'pull', { reference: 'oci:layout', names: [name] });
  }
  await refuses('TAG_NOT_FOUND', 'pull', { reference: 'containers-storage:x' });
  await refuses('TRANSPORT_UNSUPPORTED', 'pull', { reference: 'composefs:repo:x' });
  equal(existsSync('none'), false);
  context = before;
});
