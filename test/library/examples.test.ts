import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { transform } from 'esbuild';
import { NODE_VERSIONS, nodeProgram } from '../../tools/older-nodes.ts';
import { recordSkip } from '../support/capability.ts';
import { installBuilt, ROOT } from '../support/packed-package.ts';
import { testTar } from '../support/tar-archive.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

const EXAMPLES = ['call-a-service', 'list-and-read', 'plan-and-pull', 'use-and-check'];

let scratch = '';
let first = '';
let second = '';

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'onecopy-examples-'));
  installBuilt(scratch);
  for (const name of EXAMPLES) {
    const text = readFileSync(join(ROOT, `examples/${name}.ts`), 'utf8');
    // What a project has that uses the package.
    const source = text.replace(
      "'../src/index.ts'; // in your project: from 'onecopy'",
      "'onecopy';",
    );
    assert.notEqual(source, text);
    const { code } = await transform(source, { loader: 'ts', target: 'node22' });
    writeFileSync(join(scratch, `${name}.mjs`), code);
  }
  const same = { name: 'same', content: noise(5000, 1) };
  const layout = (name: string, seed: number, sizeBytes: number) =>
    writeTestLayout(join(scratch, name), [
      { tar: testTar([same, { name: 'own', content: noise(sizeBytes, seed) }]) },
    ]).reference;
  first = layout('first', 2, 300);
  second = layout('second', 3, 4 << 20);
});
after(() => rmSync(scratch, { recursive: true }));

function run(node: string, name: string, ...args: readonly string[]) {
  const program = [join(scratch, `${name}.mjs`), ...args];
  return spawnSync(node, program, { encoding: 'utf8', timeout: 60_000 });
}

function cfsctl(path: string, ...args: readonly string[]) {
  return spawnSync(join(ROOT, 'bin/cfsctl'), ['--repo', path, ...args], { encoding: 'utf8' });
}

test('every example of the library is run here', () => {
  assert.deepEqual(
    readdirSync(join(ROOT, 'examples')).sort(),
    EXAMPLES.map((name) => `${name}.ts`),
  );
});

for (const version of [NODE_VERSIONS[0], process.versions.node]) {
  const node = version === process.versions.node ? process.execPath : nodeProgram(version);

  test(`the examples pull, list, read, count and check on Node ${version}`, (t) => {
    if (!existsSync(node)) {
      recordSkip(t.name, `"${node}" is not installed`);
      t.skip('npm test brings it');
      return;
    }
    const path = join(scratch, `repo-${version}`);
    const pulled = run(node, 'plan-and-pull', path, first, 'one');
    assert.equal(pulled.status, 0, pulled.stderr);
    assert.match(pulled.stdout, /^sha256:[0-9a-f]{64}\n$/);
    assert.match(pulled.stderr, /^1 of 1 layers to fetch\n/);
    assert.match(pulled.stderr, /^sha256:[0-9a-f]{64}: \d+ of \d+\n/m);
    assert.match(pulled.stderr, /^2 files new, 0 shared\n$/m);
    assert.match(
      run(node, 'plan-and-pull', path, first, 'one').stderr,
      /^0 of 1 layers to fetch\n/,
    );
    assert.match(
      run(node, 'plan-and-pull', path, second, 'two').stderr,
      /^1 files new, 1 shared\n$/m,
    );

    assert.match(run(node, 'list-and-read', path).stdout, /^one sha256:\S+\ntwo sha256:\S+\n$/);
    const files = 'directory 4096 /\nfile 300 /own\nfile 5000 /same\n';
    assert.equal(run(node, 'list-and-read', path, 'one').stdout, files);
    const read = run(node, 'list-and-read', path, 'one', '/nothing');
    assert.equal(read.status, 4);
    assert.match(read.stderr, /^Cannot find "\/nothing"/m);

    const program = join(ROOT, 'bin/cfsctl');
    const called = run(node, 'call-a-service', program, path, `oci:${join(scratch, 'first')}`, 'v');
    assert.match(
      called.stdout,
      /^(?:(?:kept|stored) sha256:\S+\n)+pulled (sha256:\S+)\none \1\ntwo \S+\nv \1\n$/,
      called.stderr,
    );
    const refused = run(node, 'call-a-service', program, join(scratch, 'none'));
    assert.equal(refused.status, 10);
    assert.match(refused.stderr, /RepoNotFound/);
    const other = run(node, 'call-a-service', join(scratch, 'no-program'), path);
    assert.match(other.stderr, /the connection has ended$/m);
    const untagged = cfsctl(path, 'oci', 'untag', 'v');
    assert.equal(untagged.status, 0, untagged.stderr);

    const use = run(node, 'use-and-check', path);
    const counts = `one: 300 bytes alone, 5000 bytes shared\ntwo: ${4 << 20} bytes alone, 5000 bytes shared\n`;
    assert.equal(use.stdout, `${counts}no damage\n`, use.stderr);
    assert.equal(use.status, 0);
    const objects = join(path, 'objects');
    const damaged = readdirSync(objects, { recursive: true, encoding: 'utf8' })
      .map((name) => join(objects, name))
      .find((name) => readFileOrEmpty(name).equals(noise(300, 2)));
    truncateSync(damaged ?? assert.fail('no object'), 10);
    assert.equal(run(node, 'use-and-check', path).status, 3);
  });
}

test('a signal cancels the pull example, and the next pull completes', async () => {
  const path = join(scratch, 'cancelled');
  const args = [join(scratch, 'plan-and-pull.mjs'), path, second, 'two'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    // The plan is there, and the pull has begun or is about to.
    if (said === '') child.kill('SIGINT');
    said += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  assert.equal(status, 130, said);
  assert.match(said, /^Cancelled\n$/m);
  assert.equal(run(process.execPath, 'plan-and-pull', path, second, 'two').status, 0);
  assert.match(run(process.execPath, 'use-and-check', path).stdout, /^no damage$/m);
});

function readFileOrEmpty(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0); // A folder.
  }
}
