import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { plainJson } from '#base/bytes';
import { runCli } from '../support/run-cli.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';
import { writeTestLayout } from '../support/test-layout.ts';

/** Clears the screen, writes the clipboard, sets the title, turns the text round, pretends to be a line of ours. */
const HOSTILE = '\x1b[2J\x1b]52;c;aGk=\x07\x9b31m\u202etxt\u2066\r\x7f';
const OBEYED = /(?!\n)[\p{Cc}\p{Bidi_Control}]/u;
const CREATED_BY = `RUN ${HOSTILE}\nonecopy: verified`;

let scratch: TempDir;
let repo: string;
let reference: string;

before(() => {
  scratch = makeMemoryDir();
  repo = join(scratch.path, 'repo');
  const name = Buffer.from(`file${HOSTILE}`).toString('latin1');
  const tar = testTar([
    { name, content: HOSTILE },
    { name: 'link', flag: '2', link: name },
  ]);
  const layout = join(scratch.path, 'layout');
  ({ reference } = writeTestLayout(layout, [{ tar }], {
    tags: ['t', `evil${HOSTILE}`],
    config: {
      created: HOSTILE,
      config: { Labels: { [HOSTILE]: `${HOSTILE}\nName: other` } },
      history: [{ created: HOSTILE, created_by: CREATED_BY, comment: HOSTILE, author: HOSTILE }],
    },
  }));
  const folder = join(scratch.path, 'folder');
  mkdirSync(folder);
  writeFileSync(join(folder, `file${HOSTILE}`), HOSTILE);
  const other = writeTestLayout(join(scratch.path, 'other'), [{ tar: testTar([]) }]);
  for (const args of [
    ['pull', reference, 'app'],
    ['pull', other.reference, 'empty'],
    ['ostree', 'commit', `--tree=dir=${folder}`, '--reference=os', '-s', HOSTILE, '-m', CREATED_BY],
    ['ostree', 'commit', 'empty', '--reference=two', `--add-metadata-string=key=${HOSTILE}`],
  ]) {
    equal(runCli(['-q', ...args], { repo }).status, 0);
  }
});
after(() => scratch[Symbol.dispose]());

const SPEAKING: readonly (readonly string[])[] = [
  ['-v', 'pull', 'REFERENCE', 'app'],
  ['pull', 'LAYOUT:none', 'x'],
  ['pull', `oci:/nowhere${HOSTILE}`, 'x'],
  ['images'],
  ['inspect', 'app'],
  ['history', 'app'],
  ['ls', '-l', 'app'],
  ['ls', 'REFERENCE'],
  ['tree', 'app'],
  ['find', 'app'],
  ['stat', 'app', '/link', `/file${HOSTILE}`],
  ['stat', 'app', `/${HOSTILE}`],
  ['diff', 'app', 'empty'],
  ['tag', 'app', HOSTILE],
  ['rm', HOSTILE],
  ['fsck', 'app'],
  [HOSTILE],
  ['images', `--${HOSTILE}`],
  ['ls', '--progress', HOSTILE, 'app'],
  ['ostree', 'ls', '-RCX', 'os'],
  ['ostree', 'log', 'os'],
  ['ostree', 'show', 'os'],
  ['ostree', 'inspect', 'os'],
  ['ostree', 'inspect', '--metadata', 'two'],
  ['ostree', 'diff', 'os', 'two'],
  ['ostree', 'show', HOSTILE],
];

test('control characters of images, commits and command lines never reach the terminal unescaped', () => {
  for (const words of SPEAKING) {
    const args = words.map((word) =>
      word.replace('REFERENCE', reference).replace('LAYOUT', reference.slice(0, -2)),
    );
    const { stdout, stderr } = runCli(args, { repo });
    equal(OBEYED.exec(stdout + stderr), null, JSON.stringify([words, stdout, stderr]));
    notEqual(stdout + stderr, '', words.join(' '));
  }
});

test('text of an image cannot imitate a line of onecopy', () => {
  const { stdout } = runCli(['--no-trunc', 'history', 'app'], { repo });
  equal(stdout.split('\n').length, 3);
  match(runCli(['inspect', 'app'], { repo }).stdout, /=\\x1b\[2J.*\\x0aName: other\n/);
});

test('file contents and JSON are exact, and JSON escapes control characters', () => {
  equal(runCli(['cat', 'app', '/link'], { repo }).stdout, HOSTILE);
  equal(runCli(['ostree', 'cat', 'os', `/file${HOSTILE}`], { repo }).stdout, HOSTILE);
  const history = runCli(['--json', 'history', 'app'], { repo }).stdout;
  equal(plainJson(history), history);
  const [step] = JSON.parse(history).history;
  deepEqual([step.createdBy, step.comment], [CREATED_BY, HOSTILE]);
  const error = runCli(['--json', 'pull', `oci:/nowhere${HOSTILE}`, 'x'], { repo }).stderr;
  equal(plainJson(error), error);
  equal(JSON.parse(error).error.message.includes(HOSTILE), true);
});
