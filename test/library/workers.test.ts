import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { NODE_VERSIONS, nodeProgram } from '../../tools/older-nodes.ts';
import { recordSkip } from '../support/capability.ts';
import { unpackOstree } from '../support/ostree-fixture.ts';
import { installBuilt, ROOT, WORKERS } from '../support/packed-package.ts';
import { testTar } from '../support/tar-archive.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

/** As many files as make a check start threads, in a layer that is unpacked in a thread. */
const FILES = 1100;
const OLDEST = NODE_VERSIONS[0];
/** How an entry fails to start. */
const BROKEN: Readonly<Record<string, string | undefined>> = {
  missing: undefined,
  'no module': 'this is no module',
  throwing: "throw new Error('of the entry');",
  'ending at once': 'process.exit(0);',
};

let scratch = '';
let home = '';
let reference = '';

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'onecopy-workers-'));
  home = installBuilt(scratch);
  cpSync(join(ROOT, 'test/support/worker-program.mjs'), join(scratch, 'program.mjs'));
  const members = Array.from({ length: FILES }, (_, index) => ({
    name: `files/${index}`,
    content: noise(600, index),
  }));
  const layers = [{ tar: testTar(members), compression: 'gzip' }] as const;
  reference = writeTestLayout(join(scratch, 'layout'), layers).reference;
});
after(() => rmSync(scratch, { recursive: true }));

/** A folder with the entries of all threads, one of which fails to start. */
function entries(broken?: string, how = ''): string {
  const folder = mkdtempSync(join(scratch, 'entries-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const name of WORKERS) {
    const entry = pathToFileURL(join(home, `dist/${name}-worker.js`)).href;
    const text = name === broken ? BROKEN[how] : `import '${entry}';\n`;
    if (text !== undefined) writeFileSync(join(folder, `${name}-worker.js`), text);
  }
  return folder;
}

/** What the program printed. It has ended by itself: not by a signal, and not with its work unsettled. */
function run(node: string, ...args: readonly string[]): string {
  const done = spawnSync(node, [join(scratch, 'program.mjs'), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(done.signal, null, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
  assert.equal(done.status, 0, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

function newRepository(): string {
  return join(mkdtempSync(join(scratch, 'repo-')), 'r');
}

function nodes(t: TestContext): string[] {
  const older = nodeProgram(OLDEST);
  if (existsSync(older)) return [older, process.execPath];
  recordSkip(t.name, `"${older}" is not installed`);
  t.skip('npm test brings it');
  return [];
}

test('threads start from a folder given by the program, and do not keep the program alive', (t) => {
  using fixture = unpackOstree('mini');
  for (const node of nodes(t)) {
    const path = newRepository();
    assert.equal(run(node, entries(), 'pull', path, reference), 'done');
    assert.equal(run(node, entries(), 'check', path), 'done');
    const source = `${fixture.path}/fxmini/r-archive`;
    assert.equal(run(node, entries(), 'commit', newRepository(), source, 'test/v1'), 'done');
  }
});

for (const how of Object.keys(BROKEN)) {
  test(`a worker entry that is ${how} is a typed error, and does not keep the program alive`, (t) => {
    const [older = '', newer = ''] = nodes(t);
    if (newer === '') return;
    const whole = newRepository();
    assert.equal(run(newer, entries(), 'pull', whole, reference), 'done');
    for (const node of how === 'throwing' ? [older, newer] : [newer]) {
      for (const [broken, ...args] of [
        ['batch', 'pull', newRepository(), reference],
        ['unpack', 'pull', newRepository(), reference],
        ['fsck', 'check', whole],
      ] as const) {
        assert.match(run(node, entries(broken, how), ...args), /^WORKER_FAILED: /, broken);
      }
    }
  });
}
