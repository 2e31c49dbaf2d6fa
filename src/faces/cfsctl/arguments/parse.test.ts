import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '#base/errors';
import { parseArguments } from './parse.ts';
import type { ProgramSpec } from './spec.ts';

const PROGRAM: ProgramSpec<string> = {
  name: 'tool',
  version: '1',
  options: [
    { name: 'repo', value: 'REPO', excludes: ['user'], summary: '' },
    { name: 'user', summary: '' },
  ],
  commands: [
    {
      name: 'gc',
      summary: '',
      options: [
        { name: 'root', short: 'r', value: 'ROOT', isRepeatable: true, summary: '' },
        { name: 'dry-run', short: 'n', summary: '' },
      ],
      load: async () => 'gc',
    },
    {
      name: 'group',
      summary: '',
      commands: [
        {
          name: 'put',
          aliases: ['store'],
          summary: '',
          operands: [{ name: 'A' }, { name: 'B', isOptional: true }],
          options: [{ name: 'mode', value: 'MODE', choices: ['x', 'y'], summary: '' }],
          load: async () => 'put',
        },
      ],
    },
  ],
};

function parsed(...argv: string[]) {
  const found = parseArguments(argv, PROGRAM);
  assert.equal(found.kind, 'command');
  return found;
}

test('options before the command are parsed in long, joined and short form', () => {
  const found = parsed('--repo=/r', 'gc', '-ra', '-r', 'b', '--root', 'c', '-n');
  assert.equal(found.globals.value('repo'), '/r');
  assert.deepEqual(found.given.list('root'), ['a', 'b', 'c']);
  assert.ok(found.given.has('dry-run'));
});

test('options may follow operands, and -- ends the options', () => {
  const found = parsed('group', 'store', 'one', '--mode', 'x', '--', '--two');
  assert.equal(found.path, 'group put');
  assert.deepEqual(found.given.operands, ['one', '--two']);
  assert.equal(found.given.value('mode'), 'x');
});

test('--help and --version are accepted whatever arguments follow them', () => {
  assert.deepEqual(parseArguments(['-V', 'nope'], PROGRAM), { kind: 'version' });
  assert.deepEqual(parseArguments(['help', 'group', 'put'], PROGRAM), {
    kind: 'help',
    path: ['group', 'put'],
  });
  assert.equal(parseArguments(['group', 'put', '--help', '--bad'], PROGRAM).kind, 'help');
});

const WRONG: readonly (readonly [string[], RegExp])[] = [
  [[], /^$/],
  [['--repo'], /a value is required for '--repo <REPO>'/],
  [['--repo', '--user', 'gc'], /a value is required/],
  [['--repo', 'a', '--user', 'gc'], /'--repo' cannot be used with '--user'/],
  [['--rep', 'a', 'gc'], /unexpected argument '--rep'/],
  [['gcc'], /unrecognized subcommand 'gcc'/],
  [['gc', '-n', '-n'], /'--dry-run' cannot be used multiple times/],
  [['gc', '--dry-run=1'], /unexpected value '1'/],
  [['gc', 'x'], /unexpected argument 'x'/],
  [['gc', '-z'], /unexpected argument '-z'/],
  [['group', 'put'], /required arguments were not provided:\n {2}<A>/],
  [['group', 'put', 'a', '--mode', 'z'], /possible values: x, y/],
  [['help', 'nope'], /unrecognized subcommand 'nope'/],
];

for (const [argv, reason] of WRONG) {
  test(`refuses "tool ${argv.join(' ')}"`, () => {
    assert.throws(
      () => parseArguments(argv, PROGRAM),
      (error) => error instanceof UsageError && reason.test(error.message),
    );
  });
}
