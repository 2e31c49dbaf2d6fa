import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { askVerb, type Json, quietContext } from '../../../test/support/ask-verb.ts';
import {
  type FakeAnswer,
  FakeRegistry,
  type SeenRequest,
} from '../../../test/support/fake-registry.ts';
import { MemoryRegistry } from '../../../test/support/memory-registry.ts';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeMemoryDir } from '../../../test/support/temp-dir.ts';
import { noise, type TestLayout, writeTestLayout } from '../../../test/support/test-layout.ts';
import { VERBS } from './index.ts';

/** A registry of this machine that speaks plain HTTP, with an image of a layout, and a folder for repositories. */
class World implements AsyncDisposable {
  readonly #temp = makeMemoryDir();
  readonly memory = new MemoryRegistry();
  readonly server: FakeRegistry;
  readonly layout: TestLayout;
  /** Answers in the place of the registry where it does not give undefined. */
  answer: ((request: SeenRequest) => FakeAnswer | undefined) | undefined;

  private constructor(server: FakeRegistry) {
    this.server = server;
    const tar = testTar([
      { name: 'etc/', flag: '5' },
      { name: 'etc/name', content: Buffer.from('app\n') },
      { name: 'etc/big', content: noise(200_000, 1) },
    ]);
    this.layout = writeTestLayout(this.path('app'), [{ tar }, { tar: testTar([]) }]);
    this.memory.addLayout('ns/app', this.path('app'), '1');
  }

  static async start(): Promise<World> {
    let world: World | undefined;
    const server = await FakeRegistry.start(
      (request) => world?.answer?.(request) ?? (world as World).memory.handler(request),
    );
    world = new World(server);
    return world;
  }

  path(name: string): string {
    return join(this.#temp.path, name);
  }

  get host(): string {
    return this.server.plainHost;
  }

  get reference(): string {
    return `docker://${this.host}/ns/app:1`;
  }

  /** Runs a verb and gives what JSON says of its report, which must be all that its schema says. */
  async ask(name: string, request: unknown, isPlan = false): Promise<Json> {
    const context = quietContext(this.path('repo'), {
      write: async (piece) => void this.written.push(Buffer.from(piece)),
    });
    return await askVerb(isPlan ? 'plan' : 'run', name, context, request);
  }

  /** Fails with this code. */
  async refuses(code: string, name: string, request: unknown): Promise<void> {
    await rejects(this.ask(name, request), { code }, `${name} ${JSON.stringify(request)}`);
  }

  readonly written: Buffer[] = [];

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#temp[Symbol.dispose]();
  }
}

/** Wants this user and password for everything. */
function basic(user: string, password: string) {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return ({ headers }: SeenRequest): FakeAnswer | undefined =>
    headers.authorization === wanted
      ? undefined
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' }, body: '' };
}

test('pull tags an image of a registry by its reference, with the trust verdict of the plan', async () => {
  await using world = await World.start();
  const { reference, host } = world;
  const plan = await world.ask('pull', { reference }, true);
  equal(plan['manifestDigest'], world.layout.manifestDigest);
  const done = await world.ask('pull', { reference });
  equal(done['name'], `${host}/ns/app:1`);
  equal((done['bytes'] as Json)['fetched'], plan['wantedBytes']);
  deepEqual(done['trust'], plan['trust']);
  const byDigest = `docker://${host}/ns/app@${world.layout.manifestDigest}`;
  equal((await world.ask('pull', { reference: byDigest }))['name'], byDigest.slice(9));
  await world.ask('cat', { name: `${host}/ns/app:1`, paths: ['/etc/name'] });
  equal(Buffer.concat(world.written).toString(), 'app\n');
});

test('pull plans with a download limit and with a base, and can download for later', async () => {
  await using world = await World.start();
  const { reference } = world;
  await world.ask('init', { insecure: true });
  const plan = await world.ask('pull', { reference, maxBytes: 1 }, true);
  equal(plan['isOverBudget'], true);
  equal((await VERBS.find(({ name }) => name === 'pull')?.load())?.hasFindings?.(plan, {}), true);
  await world.refuses('PULL_OVER_BUDGET', 'pull', { reference, maxBytes: 1 });
  const maxBytes = plan['fetchBytes'];
  equal(
    (await world.ask('pull', { reference, downloadOnly: true, maxBytes }))['downloadOnly'],
    true,
  );
  const done = await world.ask('pull', { reference, maxBytes });
  equal((done['bytes'] as Json)['fetched'], 0);
  const name = done['name'];
  const upon = (await world.ask('pull', { reference, base: [name] }, true)) as { layers: Json[] };
  deepEqual(
    upon.layers.map(({ route }) => route),
    ['present', 'present'],
  );
  const layout = `oci:${world.path('app')}`;
  for (const wrong of [
    { reference, base: [name] },
    { reference, base: [name, name] },
    { reference: layout, downloadOnly: true },
    { reference: layout, registriesD: world.path('none') },
    { reference: layout, acceptReferrers: true },
    { reference: layout, registriesConf: world.path('none') },
  ]) {
    await rejects(world.ask('pull', wrong), { name: 'UsageError' }, JSON.stringify(wrong));
  }
});

test('registries.conf of the request names the endpoints that are asked', async () => {
  await using world = await World.start();
  const registriesConf = world.path('registries.conf');
  writeFileSync(registriesConf, `[[registry]]\nprefix="reg.test"\nlocation="${world.host}"\n`);
  const reference = 'docker://reg.test/ns/app:1';
  const plan = await world.ask('pull', { reference, registriesConf }, true);
  equal(plan['manifestDigest'], world.layout.manifestDigest);
  const file = world.path('blocked.conf');
  writeFileSync(file, `[[registry]]\nlocation="${world.host}"\nblocked=true\n`);
  await world.refuses('REGISTRY_BLOCKED', 'pull', {
    reference: world.reference,
    registriesConf: file,
  });
  await world.ask('pull', { reference: world.layout.reference, names: ['app'] });
  const name = world.reference;
  const asked: readonly (readonly [verb: string, request: Json])[] = [
    ...['inspect', 'history', 'ls', 'find', 'tree'].map((verb) => [verb, { name }] as const),
    ...['tags', 'referrers'].map((verb) => [verb, { reference: name }] as const),
    ['cat', { name, paths: ['/etc/name'] }],
    ['stat', { name, paths: ['/etc/name'] }],
    ['cp', { name, path: '/etc/name', to: world.path('copy') }],
    ['diff', { name: 'app', otherName: name }],
    ['push', { name: 'app', target: name }],
    ['export', { name: 'app', target: name }],
    ['copy', { from: name, to: `oci:${world.path('copy')}:1` }],
    ['copy', { from: world.layout.reference, to: name }],
  ];
  for (const [verb, request] of asked) {
    await world.refuses('REGISTRY_BLOCKED', verb, { ...request, registriesConf: file });
  }
});

test('a signature policy of the request is evaluated before a layer is requested', async () => {
  await using world = await World.start();
  const { reference } = world;
  const signaturePolicy = world.path('policy.json');
  writeFileSync(signaturePolicy, '{"default":[{"type":"reject"}]}');
  await world.refuses('IMAGE_REJECTED', 'pull', { reference, signaturePolicy });
  const blobs = world.server.seen.filter(({ url }) => url.pathname.includes('/blobs/'));
  equal(blobs.length, 1, 'only the config');
});

test('files of an image in a registry are read without a repository', async () => {
  await using world = await World.start();
  const { reference: name } = world;
  const { entries } = (await world.ask('ls', { name, path: '/etc' })) as { entries: Json[] };
  deepEqual(
    entries.map(({ path }) => path),
    ['/etc/big', '/etc/name'],
  );
  await world.ask('cat', { name, paths: ['/etc/name'] });
  equal(Buffer.concat(world.written).toString(), 'app\n');
  const diff = await world.ask('diff', { name, otherName: world.layout.reference });
  deepEqual(diff['changes'], []);
  ok(!readdirSync(world.path('.')).includes('repo'));
});

test('credentials of the request are sent to the registry, and refused for other transports', async () => {
  await using world = await World.start();
  const { reference } = world;
  const authfile = world.path('auth.json');
  writeFileSync(authfile, '{}');
  world.answer = basic('user', 'right');
  await world.refuses('HTTP_DENIED', 'pull', { reference, authfile });
  const creds = { user: 'user', password: 'right' };
  await world.ask('pull', { reference, creds });
  await world.ask('stat', { name: reference, paths: ['/etc'], creds });
  const { layout } = world;
  await world.refuses('USAGE', 'pull', { reference: layout.reference, creds });
  await world.refuses('USAGE', 'ls', { name: layout.reference, creds });
  match(JSON.stringify(world.server.seen.at(-1)?.headers), /Basic/);
});

test('tags hides attachment tags unless all are requested', async () => {
  await using world = await World.start();
  const { memory, reference } = world;
  const hidden = `sha256-${'ab'.repeat(32)}.sig`;
  memory.addManifest('ns/app', Buffer.from('{}'), 'application/json', hidden);
  deepEqual((await world.ask('tags', { reference }))['tags'], ['1']);
  deepEqual((await world.ask('tags', { reference, all: true }))['tags'], ['1', hidden]);
  await world.refuses('USAGE', 'tags', { reference: 'oci:app' });
});

test('referrers lists the referrers of an image, optionally of one type', async () => {
  await using world = await World.start();
  const { memory, reference, layout } = world;
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const artifact = {
    schemaVersion: 2,
    mediaType: type,
    artifactType: 'text/sbom',
    config: {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: layout.manifestDigest,
      size: 2,
    },
    layers: [],
    subject: { mediaType: type, digest: layout.manifestDigest, size: 1 },
  };
  const bytes = Buffer.from(JSON.stringify(artifact));
  const digest = memory.addManifest('ns/app', bytes, type);
  const entry = { mediaType: type, digest, size: bytes.length, artifactType: 'text/sbom' };
  const index = { schemaVersion: 2, manifests: [entry] };
  const tag = layout.manifestDigest.replace(':', '-');
  const list = Buffer.from(JSON.stringify(index));
  memory.addManifest('ns/app', list, 'application/vnd.oci.image.index.v1+json', tag);
  const found = await world.ask('referrers', { reference });
  equal(found['subject'], layout.manifestDigest);
  deepEqual(
    (found['referrers'] as Json[]).map((one) => [one['digest'], one['artifactType']]),
    [[digest, 'text/sbom']],
  );
  deepEqual((await world.ask('referrers', { reference, artifactType: 'x/y' }))['referrers'], []);
});

test('login stores a password that the registry accepts, pulls use it, and logout removes it', async () => {
  await using world = await World.start();
  const { reference, host: registry } = world;
  const authfile = world.path('auth.json');
  world.answer = basic('user', 'right');
  const wrong = { registry, user: 'user', password: 'wrong', authfile };
  await world.refuses('HTTP_DENIED', 'login', wrong);
  ok(!readdirSync(world.path('.')).includes('auth.json'));
  const passwordFile = world.path('password');
  writeFileSync(passwordFile, 'right\n');
  const done = await world.ask('login', {
    registry,
    user: 'user',
    passwordFile,
    authfile,
  });
  deepEqual(done, { registry, storedIn: { file: authfile }, hasReplaced: false });
  deepEqual((await world.ask('tags', { reference, authfile }))['tags'], ['1']);
  deepEqual(await world.ask('logout', { registry, authfile }), {
    registries: [registry],
    removedFrom: { file: authfile },
  });
  await world.refuses('LOGIN_NOT_FOUND', 'logout', { registry, authfile });
  await world.refuses('USAGE', 'login', { registry, user: 'user', authfile });
  await world.refuses('USAGE', 'logout', { registry, all: true, authfile });
});

test('push asks for mounts only from names that a registry may have', async () => {
  await using world = await World.start();
  const { host, reference } = world;
  await world.ask('pull', { reference, names: ['app'] });
  for (const odd of ['../ns', 'ns/B', 'ns/b:pull,push', 'ns/c?x=y']) {
    await world.ask('tag', { name: 'app', newName: `${host}/${odd}:1` });
  }
  world.memory.links.clear();
  const asked = new Set<string>();
  world.answer = ({ url }) => {
    const from = url.searchParams.get('from');
    if (from !== null) asked.add(from);
    return undefined;
  };
  await world.ask('push', { name: 'app', target: `docker://${host}/ns/other:v1` });
  deepEqual([...asked], ['ns/app']);
});

test('push writes the same image to a registry, and sends no blob twice', async () => {
  await using world = await World.start();
  const { host, memory } = world;
  await world.ask('pull', { reference: world.layout.reference, names: ['app'], keepBlobs: true });
  const request = { name: 'app', target: `docker://${host}/ns/new:v1`, sameDigest: true };
  memory.blobs.clear();
  const done = await world.ask('push', request);
  equal(done['manifestDigest'], world.layout.manifestDigest);
  equal(done['identical'], true);
  const methods = (report: Json) => (report['layers'] as Json[]).map(({ method }) => method);
  deepEqual(methods(done), ['uploaded', 'uploaded']);
  ok((done['sentBytes'] as number) > 200_000);
  const again = await world.ask('push', request);
  deepEqual([methods(again), again['sentBytes']], [['present', 'present'], 0]);
  const pulled = await world.ask('pull', { reference: request.target });
  equal(pulled['manifestDigest'], world.layout.manifestDigest);
});

test('push mounts blobs of the source repository, else compresses layers again and reports that', async () => {
  await using world = await World.start();
  const { host, reference, memory } = world;
  await world.ask('pull', { reference, names: ['app'] });
  const renamed = { name: 'app', target: `docker://${host}/ns/renamed:v1` };
  const { layers: fromOrigin } = await world.ask('push', renamed);
  deepEqual(
    (fromOrigin as Json[]).map(({ method }) => method),
    ['mounted', 'mounted'],
  );
  await world.ask('pull', { reference });
  const name = `${host}/ns/app:1`;
  const target = `docker://${host}/ns/copy:v1`;
  const mounted = await world.ask('push', { name, target });
  deepEqual(
    [mounted['identical'], (mounted['layers'] as Json[]).map(({ method }) => method)],
    [true, ['mounted', 'mounted']],
  );
  memory.blobs.clear();
  memory.links.clear();
  await world.refuses('MANIFEST_WOULD_CHANGE', 'push', { name, target, sameDigest: true });
  equal(memory.blobs.size, 0);
  deepEqual(memory.uploadedBytes, []);
  const anew = await world.ask('push', { name, target, forceCompression: 'zstd' });
  equal(anew['identical'], false);
  const layers = anew['layers'] as Json[];
  deepEqual(
    layers.map(({ method, mediaType }) => [method, mediaType]),
    [0, 1].map(() => ['repacked', 'application/vnd.oci.image.layer.v1.tar+zstd']),
  );
  const pulled = await world.ask('pull', { reference: target, names: ['again'] });
  equal(pulled['manifestDigest'], anew['manifestDigest']);
  const byDigest = `docker://${host}/ns/copy@${anew['manifestDigest']}`;
  await world.refuses('USAGE', 'push', { name, target: byDigest });
  await world.refuses('USAGE', 'push', { name, target: 'oci:x' });
});

test('export to a registry is a push, and its success removes the notes of an earlier broken upload', async () => {
  await using world = await World.start();
  const { host, memory, layout } = world;
  await world.ask('pull', { reference: layout.reference, names: ['app'], keepBlobs: true });
  memory.blobs.clear();
  const target = `docker://${host}/ns/exported:v1`;
  const planned = await world.ask('export', { name: 'app', target }, true);
  deepEqual([planned['kind'], planned['dryRun']], ['registry', true]);
  // Every upload is refused: what was begun is noted.
  world.answer = ({ method, url }) =>
    method === 'PUT' && url.pathname.includes('/uploads/') ? { status: 403 } : undefined;
  await world.refuses('HTTP_DENIED', 'export', { name: 'app', target });
  const notes = () => readdirSync(world.path('repo/.onecopy/uploads'));
  ok(notes().length > 0);
  world.answer = undefined;
  const done = await world.ask('export', { name: 'app', target, sameDigest: true });
  deepEqual(
    [done['kind'], done['identical'], done['manifestDigest']],
    ['registry', true, layout.manifestDigest],
  );
  deepEqual(notes(), []);
  await world.refuses('USAGE', 'export', { name: 'app', target, owners: false });
  await world.refuses('USAGE', 'export', { name: 'app', target, emptyBoot: true });
  const local = { name: 'app', target: `oci:${world.path('out')}` };
  await world.refuses('USAGE', 'export', { ...local, sameDigest: true });
  await world.refuses('USAGE', 'export', { ...local, creds: { user: 'a', password: 'b' } });
});

test('a push with a forged upload note starts again from the beginning', async () => {
  await using world = await World.start();
  const { host, memory, layout, server } = world;
  await world.ask('pull', { reference: layout.reference, names: ['app'], keepBlobs: true });
  memory.blobs.clear();
  const target = `docker://${host}/ns/app2:v1`;
  world.answer = ({ method, url }) =>
    method === 'PUT' && url.pathname.includes('/uploads/') ? { status: 403 } : undefined;
  await world.refuses('HTTP_DENIED', 'push', { name: 'app', target });
  world.answer = undefined;
  const folder = world.path('repo/.onecopy/uploads');
  const lies = [
    'no JSON',
    '{"location":"http://169.254.169.254/latest","sentBytes":5}',
    '{"location":"file:///etc/passwd","sentBytes":5}',
    `{"location":"http://${host}/v2/ns/app2/blobs/uploads/none","sentBytes":-1}`,
    `{"location":"http://${host}/v2/ns/app2/blobs/uploads/none","sentBytes":9007199254740993}`,
  ];
  for (const [at, name] of readdirSync(folder).entries()) {
    writeFileSync(join(folder, name), lies[at % lies.length] ?? '');
  }
  const done = await world.ask('push', { name: 'app', target, sameDigest: true });
  equal(done['manifestDigest'], layout.manifestDigest);
  ok(server.seen.every(({ headers }) => headers.host === host));
});
