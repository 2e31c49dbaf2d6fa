import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { goldenReference, runCli } from '../support/run-cli.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/trust', import.meta.url));
let temp: TempDir;

before(() => {
  temp = makeTempDir();
});
after(() => temp[Symbol.dispose]());

function policyFile(name: string, document: unknown): string {
  const path = join(temp.path, `${name}.json`);
  writeFileSync(path, JSON.stringify(document));
  return path;
}

function pull(reference: string, ...more: readonly string[]) {
  const repo = join(temp.path, 'repo');
  const run = runCli(['-q', '--json', 'pull', ...more, reference, 'x'], { repo });
  const text = run.status === 0 ? run.stdout : run.stderr;
  return { repo, status: run.status, document: JSON.parse(text) };
}

test('a pull that the policy rejects exits 12 and stores no object, and a dry run reports the rejection', () => {
  const file = policyFile('reject', { default: [{ type: 'reject' }] });
  for (const more of [['--dry-run'], []]) {
    const { repo, status, document } = pull(
      goldenReference('basic'),
      ...more,
      '--signature-policy',
      file,
    );
    assert.equal(status, 12);
    assert.equal(document.error.code, 'IMAGE_REJECTED');
    assert.equal(document.error.details.class, 'rejected');
    assert.equal(document.error.details.policy, file);
    const folders = existsSync(join(repo, 'objects')) ? readdirSync(join(repo, 'objects')) : [];
    assert.deepEqual(folders, []);
  }
});

test('a pull by a signed requirement reports which key accepted the image', () => {
  const signedIdentity = { type: 'exactRepository', dockerRepository: 'registry.example/team/app' };
  const keyPath = `${GOLDEN}/keys/k1.pub`;
  const requirement = { type: 'sigstoreSigned', keyPath, signedIdentity };
  const file = policyFile('signed', {
    default: [{ type: 'reject' }],
    transports: { dir: { '': [requirement] } },
  });
  const { status, document } = pull(`dir:${GOLDEN}/dirs/signed`, '--signature-policy', file);
  assert.equal(status, 0);
  assert.deepEqual(document.trust.policy, { file, scope: 'dir ""' });
  assert.equal(document.trust.manifests[0].requirements[0].key.source, keyPath);
  const unsigned = pull(`dir:${GOLDEN}/dirs/unsigned`, '--signature-policy', file);
  assert.equal(unsigned.document.error.details.class, 'no-signature');
});

test('a policy file named by an option must exist', () => {
  const { status, document } = pull(goldenReference('basic'), '--signature-policy', '/none.json');
  assert.deepEqual([status, document.error.code], [12, 'POLICY_NOT_FOUND']);
});
