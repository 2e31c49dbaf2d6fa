import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Given } from './arguments/spec.ts';
import { Setting } from './setting.ts';

const AROUND = {
  write: async () => {},
  warn: () => {},
  readInput: async function* () {},
  isTerminal: true,
  signal: new AbortController().signal,
  environment: {},
};

test('--no-repo is refused for a command that needs a repository', async () => {
  const globals = new Given();
  globals.flags.add('no-repo');
  const setting = new Setting('images', globals, new Given(), AROUND);
  await assert.rejects(setting.open(), { code: 'COMMAND_NEEDS_REPOSITORY' });
});

test('binary output is refused when standard output is a terminal', () => {
  const setting = new Setting('oci layer', new Given(), new Given(), AROUND);
  assert.throws(() => setting.refuseTerminal('the layer'), { code: 'IMAGE_OUTPUT_IS_TERMINAL' });
});
