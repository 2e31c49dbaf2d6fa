/** Every verb is a method of `onecopy varlink`, by a loop: its parameters, progress, report, contents and errors. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OpenRepositories, type ServedInterface, verbInterfaces } from '#faces/varlink';
import { parseInterface, printInterface } from '#formats/varlink';
import { Dir } from '#host';
import { VERBS } from '#work/verbs';
import { makeTempDir } from '../support/temp-dir.ts';
import type { RawClient } from '../support/varlink-client.ts';
import { startService } from '../support/varlink-service.ts';

const LAYOUT = fileURLToPath(new URL('../golden/cfsctl/oci/basic/layout', import.meta.url));
const CHOICE: readonly string[] = ['handle', 'repository', 'scope', 'dryRun'];

async function interfaces(): Promise<readonly ServedInterface[]> {
  return await verbInterfaces({
    repositories: new OpenRepositories({}),
    fallback: {},
    requireVerity: false,
  });
}

test('every verb is a varlink method, and the description of each interface is served', async () => {
  const served = await interfaces();
  assert.deepEqual(
    served.map(({ described }) => described.name),
    ['org.onecopy.Images', 'org.onecopy.Ostree'],
  );
  const methods = served.flatMap((one) => Object.keys(one.methods));
  assert.equal(methods.length, VERBS.length + 8);
  for (const { described } of served) {
    const again = parseInterface(printInterface(described));
    assert.deepEqual(JSON.parse(JSON.stringify(again)), JSON.parse(JSON.stringify(described)));
  }
});

test('the parameter that selects the repository hides no key of a request', async () => {
  for (const { name, load } of VERBS) {
    const { entries = {} } = (await load()).request as unknown as { entries?: object };
    const hidden = Object.keys(entries).filter((key) => CHOICE.includes(key));
    assert.deepEqual(hidden, [], name);
  }
});

async function call(client: RawClient, method: string, parameters: object, more = false) {
  const replies = await client.call({ method, parameters, more });
  return replies.map(({ text }) => JSON.parse(text));
}

test('images are pulled with progress, listed, printed and removed over a connection', async () => {
  using temp = makeTempDir();
  const repository = join(temp.path, 'r');
  await using service = startService('onecopy', ['varlink'], `unix:${join(temp.path, 's.sock')}`);
  await using client = await service.connect();
  const pulled = await call(
    client,
    'org.onecopy.Images.Pull',
    { repository, reference: `oci:${LAYOUT}`, names: ['app'] },
    true,
  );
  const events = pulled.flatMap((reply) => reply.parameters.progress?.event ?? []);
  assert.ok(events.includes('started') && events.includes('done'), JSON.stringify(pulled));
  assert.deepEqual(
    pulled.map(({ continues }) => continues),
    [...pulled.slice(1).map(() => true), false],
  );
  assert.match(pulled.at(-1).parameters.report.manifestDigest, /^sha256:af9c4727/);

  const [opened] = await call(client, 'org.composefs.Repository.OpenRepository', {
    path: repository,
  });
  const { handle } = opened.parameters;
  const [images] = await call(client, 'org.onecopy.Images.Images', { handle });
  assert.equal(images.parameters.report.images[0].name, 'app');
  assert.deepEqual(
    (await call(client, 'org.onecopy.Ostree.List', { handle }))[0].parameters.report.images,
    [],
  );

  const files = { handle, name: 'app', paths: ['/hello.txt'] };
  const [refused] = await call(client, 'org.onecopy.Images.Cat', files);
  assert.equal(refused.error, 'org.varlink.service.ExpectedMore');
  const contents = await call(client, 'org.onecopy.Images.Cat', files, true);
  const bytes = contents.flatMap((reply) => reply.parameters.contents ?? []);
  assert.match(
    bytes.map((text) => String(Buffer.from(text, 'base64'))).join(''),
    /^hello from test/,
  );

  const folder = join(temp.path, 'out');
  mkdirSync(folder);
  using out = Dir.open(folder);
  await client.send(
    Buffer.from(
      `${JSON.stringify({ method: 'org.onecopy.Images.Cp', parameters: { handle, name: 'app', path: '/hello.txt', to: 'fd:0' } })}\0`,
    ),
    [out],
  );
  const copied = JSON.parse((await client.receive())?.text ?? '');
  assert.ok(!('error' in copied), JSON.stringify(copied));
  assert.deepEqual(readdirSync(folder), ['hello.txt']);

  const [plan] = await call(client, 'org.onecopy.Images.Rm', {
    handle,
    names: ['app'],
    dryRun: true,
  });
  assert.ok('report' in plan.parameters);
  await call(client, 'org.onecopy.Images.Rm', { handle, names: ['app'] });
  const [collected] = await call(client, 'org.onecopy.Images.Gc', { handle });
  assert.ok(!('error' in collected), JSON.stringify(collected));
  await checkErrors(client, handle);
  service.child.kill('SIGTERM');
  assert.equal(await service.ended, 0);
  assert.equal(service.output(), '');
});

async function checkErrors(client: RawClient, handle: number): Promise<void> {
  const cases: readonly [string, object, string, unknown][] = [
    ['Images.Inspect', { handle, name: 'none' }, 'org.onecopy.Images.NotFound', 'IMAGE_NOT_FOUND'],
    ['Ostree.Inspect', { handle, name: 'none' }, 'org.onecopy.Ostree.NotFound', 'IMAGE_NOT_FOUND'],
    [
      'Images.Pull',
      { handle, reference: 'ostree-local:/none' },
      'org.onecopy.Images.Refused',
      undefined,
    ],
    ['Images.Inspect', { handle }, 'org.varlink.service.InvalidParameter', undefined],
    [
      'Images.Inspect',
      { handle: 99, name: 'a' },
      'org.varlink.service.InvalidParameter',
      undefined,
    ],
    ['Images.Images', { handle, scope: 'user' }, 'org.varlink.service.InvalidParameter', undefined],
    ['Images.Nope', { handle }, 'org.varlink.service.MethodNotFound', undefined],
  ];
  for (const [method, parameters, error, code] of cases) {
    const [reply] = await call(client, `org.onecopy.${method}`, parameters);
    assert.equal(reply.error, error, `${method} ${JSON.stringify(reply)}`);
    if (code !== undefined) assert.equal(reply.parameters.code, code);
  }
}

test('a call without a repository uses that of the command line, and hints name parameters', async () => {
  using temp = makeTempDir();
  const repository = join(temp.path, 'r');
  const argv = ['--repo', repository, 'varlink'];
  await using service = startService('onecopy', argv, `unix:${join(temp.path, 's.sock')}`);
  await using client = await service.connect();
  const reference = `oci:${LAYOUT}`;
  const [pulled] = await call(client, 'org.onecopy.Images.Pull', { reference, names: ['app'] });
  assert.ok(!('error' in pulled), JSON.stringify(pulled));
  assert.ok(readdirSync(repository).includes('objects'));
  const [refused] = await call(client, 'org.onecopy.Images.Pull', { reference, base: ['app'] });
  assert.equal(refused.error, 'org.onecopy.Images.Refused');
  assert.equal(refused.parameters.message, 'Cannot use base: it applies to dryRun');
});
