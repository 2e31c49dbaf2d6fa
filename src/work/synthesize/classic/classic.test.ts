import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { parseCommit } from '#formats/ostree';
import { openOstreeRepo } from '#stores/ostree';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import {
  CASES,
  expectedOf,
  idsIn,
  listOf,
  pullCase,
  rowsOf,
} from '../../../../test/support/unified-cases.ts';
import { imageRefName, synthesizeCommit } from '../index.ts';

/** Images that we import although upstream fails, because its fetch program or libselinux refuses them. */
const MORE = ['12-created-bad', '28-policy-no-binary'];
/** Empty xattrs are dropped for directories only, and the kernel changes capabilities: upstream hashes values that fsck then reports as wrong. */
const UNSTABLE = ['40-cap-v3-rootid0', '41-xattr-zero-length'];
/** Documents that upstream encodes again from a typed model, without members that it does not know. */
const OTHER_DOCUMENTS = ['26-config-json', '34-no-label'];

for (const name of readdirSync(CASES).sort()) {
  const { classic } = expectedOf(name);
  if (!classic.ok && !MORE.includes(name)) {
    test(`an image that the classic route does not support is refused: ${name}`, async () => {
      using temp = await makeTempRepository('sha512');
      await pullCase(temp.repository, name);
      const options = { createMode: 'bare-user', route: 'classic' } as const;
      await assert.rejects(synthesizeCommit(temp.repository, name, `${temp.path}/out`, options));
      assert.equal(existsSync(`${temp.path}/out`), false);
    });
    continue;
  }
  test(`the classic route gives the commit of ostree-ext: ${name}`, async () => {
    using temp = await makeTempRepository('sha512');
    const { repository, path } = temp;
    await pullCase(repository, name);
    const ref = imageRefName(`oci:/img/${name}`);
    const options = {
      createMode: 'bare-user',
      route: 'classic',
      refs: [ref],
      xattrs: 'all',
      keepsLabels: true,
      normaliseXattrs: false,
    } as const;
    const made = await synthesizeCommit(repository, name, `${path}/out`, options);
    assert.equal(made.route, 'classic');
    if (!classic.ok) return;
    using repo = openOstreeRepo(`${path}/out`);
    const heads = repo.refs.list().map((one) => one.name);
    assert.deepEqual(heads.sort(), [...classic.refs].sort());
    if (UNSTABLE.includes(name)) return;
    const rows = rowsOf(name, 'classic') ?? rowsOf(name, 'synth') ?? [];
    assert.deepEqual(idsIn(listOf(repo, made.commit)), idsIn(rows));
    const { rootTree, rootMeta } = parseCommit(
      repo.readMetadata('commit', made.commit) as Uint8Array,
    );
    assert.deepEqual([rootTree, rootMeta], [classic.dirtree, classic.dirmeta]);
    if (!OTHER_DOCUMENTS.includes(name)) assert.equal(made.commit, classic.commit);
  });
}
