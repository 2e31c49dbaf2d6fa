import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { build } from 'esbuild';
import { NODE_VERSIONS, nodeProgram } from '../../tools/older-nodes.ts';
import { recordSkip } from '../support/capability.ts';
import { installBuilt, ROOT, WORKERS } from '../support/packed-package.ts';

const IMAGES = join(ROOT, 'test/golden/cfsctl/oci');
const CHUNKED = join(ROOT, 'test/golden/chunked/oci');
/** Of that image; its layers have a frame for each chunk. */
const OS_RELEASE = 'ID=ck\nVERSION_ID="1"\n';

let scratch = '';

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'onecopy-library-'));
  installBuilt(scratch);
  cpSync(join(ROOT, 'test/support/library-program.mjs'), join(scratch, 'program.mjs'));
  await build({
    absWorkingDir: scratch,
    entryPoints: {
      program: 'program.mjs',
      ...Object.fromEntries(WORKERS.map((name) => [`${name}-worker`, `onecopy/workers/${name}`])),
    },
    outdir: join(scratch, 'bundle'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    external: ['koffi', 'openpgp'],
    banner: { js: documentedBanner() },
    logLevel: 'silent',
  });
});
after(() => rmSync(scratch, { recursive: true }));

/** The banner of docs/library.md, so that the documented build is the tested one. */
function documentedBanner(): string {
  const guide = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
  const banner = /banner: \{ js: "(.*)" \}/.exec(guide)?.[1];
  assert.ok(banner !== undefined);
  return banner;
}

function isMissing(t: TestContext, node: string): boolean {
  if (existsSync(node)) return false;
  recordSkip(t.name, `"${node}" is not installed`);
  t.skip('npm test brings it');
  return true;
}

function run(node: string, program: string, image: string, file: string): unknown {
  const repository = mkdtempSync(join(scratch, 'repo-'));
  rmSync(repository, { recursive: true });
  const args = [join(scratch, program), repository, image, file];
  const done = spawnSync(node, args, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

for (const version of [...NODE_VERSIONS, process.versions.node]) {
  const node = version === process.versions.node ? process.execPath : nodeProgram(version);
  const major = version.split('.')[0];
  const expected = { major, layers: 1, text: 'hello from test layer\n', findings: 0 };

  for (const program of ['program.mjs', 'bundle/program.js']) {
    test(`${program} pulls, reads, checks and collects on Node ${version}`, (t) => {
      if (isMissing(t, node)) return;
      assert.deepEqual(
        run(node, program, `oci:${IMAGES}/basic/layout:latest`, '/hello.txt'),
        expected,
      );
    });
  }

  test(`Node ${version} reads all frames of a zstd layer`, (t) => {
    if (isMissing(t, node)) return;
    const multi = `oci:${IMAGES}/quirk-zstd-multi/layout:latest`;
    const several = run(node, 'program.mjs', multi, '/etc/hostname');
    assert.deepEqual(several, { ...expected, text: 'fixture\n' });
    const chunked = run(node, 'program.mjs', `oci:${CHUNKED}/zc-v1`, '/etc/os-release');
    assert.deepEqual(chunked, { ...expected, layers: 2, text: OS_RELEASE });
  });
}
