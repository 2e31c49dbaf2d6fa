/** `export` to a plain directory: which reading of the layers the files have. */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeMemoryDir, type TempDir } from '../../../test/support/temp-dir.ts';
import { noise, writeTestLayout } from '../../../test/support/test-layout.ts';
import { VERBS } from './index.ts';

type Json = { readonly [key: string]: unknown };

/** The dry run of each export, which says the id of what is then written. */
const planned: Json[] = [];

async function ask(temp: TempDir, name: string, request: unknown): Promise<Json> {
  const verb = await VERBS.find((row) => row.name === name)?.load();
  if (verb === undefined) throw new Error(`there is no verb ${name}`);
  const context = {
    repository: { path: join(temp.path, 'repo') },
    signal: new AbortController().signal,
    onProgress: () => {},
    jobs: 1,
    mayInit: true,
    requireVerity: false,
    warn: () => {},
    detail: () => {},
    write: async () => {},
  };
  const asked = verb.parse(request);
  if (name === 'export') planned.push((await verb.plan?.(context, asked)) as Json);
  return (await verb.run(context, asked)) as Json;
}

/** A whiteout of a file of its own layer: composefs-rs removes the file. */
const LAYER = testTar([
  { name: 'usr/', flag: '5' },
  { name: 'usr/a', content: 'a' },
  { name: 'usr/.wh.a' },
  { name: 'usr/large', content: noise(9000, 1) },
]);

for (const pulled of [undefined, 'cfsctl'] as const) {
  test(`an exported directory has the reading of the image (${pulled ?? 'standard'}), and with --compat that of cfsctl`, async () => {
    using temp = makeMemoryDir();
    const layout = join(temp.path, 'layout');
    writeTestLayout(layout, [{ tar: LAYER }]);
    const request = { reference: `oci:${layout}`, names: ['img'], compat: pulled };
    const { imageId } = await ask(temp, 'pull', request);
    const [own, theirs] = [join(temp.path, 'own'), join(temp.path, 'theirs')];

    const stored = await ask(temp, 'export', { name: 'img', target: own });
    equal(stored['imageId'], imageId);
    const before = pulled === undefined ? ['a', 'large'] : ['large'];
    deepEqual(readdirSync(join(own, 'usr')).sort(), before);

    const read = await ask(temp, 'export', { name: 'img', target: theirs, compat: 'cfsctl' });
    deepEqual(readdirSync(join(theirs, 'usr')), ['large']);
    const { imageId: expected } = await ask(temp, 'image id', { name: 'img', compat: 'cfsctl' });
    equal(read['imageId'], expected);
    equal(read['imageId'] === imageId, pulled === 'cfsctl');
    deepEqual(
      planned.splice(0).map((plan) => plan['imageId']),
      [imageId, expected],
    );
  });
}

test('--compat is refused for exports of layers as they are stored, and for commits', async () => {
  using temp = makeMemoryDir();
  writeTestLayout(join(temp.path, 'layout'), [{ tar: LAYER }]);
  await ask(temp, 'pull', { reference: `oci:${join(temp.path, 'layout')}`, names: ['img'] });
  for (const target of ['oci', 'oci-archive', 'dir', 'docker://localhost:1']) {
    const request = { name: 'img', target: `${target}:${temp.path}/out`, compat: 'cfsctl' };
    await rejects(ask(temp, 'export', request), { code: 'USAGE' });
  }
  const { commit } = await ask(temp, 'ostree commit', { image: 'img', reference: 'os' });
  const request = { name: String(commit), target: join(temp.path, 'out'), compat: 'cfsctl' };
  await rejects(ask(temp, 'export', request), { code: 'USAGE' });
});
