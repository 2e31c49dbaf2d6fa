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

test('a command that needs a repository is refused one with --no-repo', async () => {
  const globals = new Given();
  globals.flags.add('no-repo');
  const setting = new Setting('images', globals, new Given(), AROUND);
  await assert.rejects(setting.open(), { code: 'COMMAND_NEEDS_REPOSITORY' });
});

test('bytes are not written to a terminal', () => {
  const setting = new Setting('oci layer', new Given(), new Given(), AROUND);
  assert.throws(() => setting.refuseTerminal('the layer'), { code: 'IMAGE_OUTPUT_IS_TERMINAL' });
});
