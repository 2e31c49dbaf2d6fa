/** What the fixtures hold beside pulls of whole commits: requests of a pull by subpath, and the image that libostree itself makes of a commit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listCommitRefs } from '#work/commits';
import { composeImage, computeImageId, readDumpfile } from '#work/compose';
import { pullCommit } from '#work/pull-commit';
import { FakeHttp } from '../support/fake-http.ts';
import { unpackOstree } from '../support/ostree-fixture.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';

const GOLDEN = new URL('../golden/ostree/', import.meta.url);

/** A line of http-expected.tsv: remote, argument, exit code, and the requests of libostree without those for objects of trees. */
function rowOf(remote: string, argument: string): readonly string[] {
  const lines = readFileSync(new URL('extra/http-expected.tsv', GOLDEN), 'utf8').split('\n');
  const row = lines
    .map((line) => line.split('\t'))
    .find(([a, b]) => a === remote && b === argument);
  assert.ok(row, `${remote} ${argument}`);
  return row;
}

test('a pull of subpaths makes no more requests than libostree, and sets no ref of a complete commit', async () => {
  const [remote = '', , exit, , , , requests = ''] = rowOf('s1-refs-only', '--subpath=/s t');
  assert.equal(exit, '0');
  using fixture = unpackOstree('extra/http');
  await using server = await FakeHttp.start({ root: join(fixture.path, 'http') });
  using temp = await makeTempRepository();
  const source = { kind: 'remote', url: `${server.url}/${remote}` } as const;
  const pulled = await pullCommit(temp.repository, source, 't', { workers: 0, subpaths: ['/s'] });
  assert.deepEqual(pulled.subpaths, ['/s']);
  assert.deepEqual(listCommitRefs(temp.repository), []);
  const { log } = await server.read();
  const ours = log.filter(({ path }) => !/\.(?:filez|dirtree|dirmeta)$/.test(path));
  assert.ok(ours.length <= requests.split(' ; ').length, ours.map(({ path }) => path).join(' '));
  assert.ok(
    !log.some(({ path }) => path.endsWith('.filez')),
    'the files are outside of the subpath',
  );
});

test('the composefs digest in a commit of libostree is the image id of its dump', () => {
  const dump = fileURLToPath(new URL('tiny-composefs-digest.dump', GOLDEN));
  const image = composeImage(readDumpfile(dump), { min: 0, max: 1 });
  assert.deepEqual(
    Buffer.from(image),
    readFileSync(new URL('tiny-composefs-digest.erofs', GOLDEN)),
  );
  const stored = '13925ba0e9b0d20c7f638668163ed833951c1207e716371520c3f8687834f9a8';
  assert.equal(computeImageId(image), stored);
});
