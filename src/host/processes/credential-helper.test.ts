import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type HelperCall, runHelper } from './credential-helper.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'onecopy-helper-'));
after(() => rmSync(FOLDER, { recursive: true }));

function program(name: string, body: string): string {
  const path = join(FOLDER, `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return `docker-credential-${name}`;
}

function call(name: string, more: Partial<HelperCall> = {}): HelperCall {
  const env = { PATH: `${FOLDER}:/usr/bin:/bin` };
  return {
    program: name,
    args: [],
    input: '',
    env,
    timeoutMs: 5000,
    outputBytesMax: 1024,
    ...more,
  };
}

test('runHelper passes input and arguments to the program and returns its output', async () => {
  const name = program('echo', 'read -r line; printf "%s %s" "$1" "$line"; exit 3');
  const outcome = await runHelper(call(name, { args: ['a b; exit'], input: '$(id)\n' }));
  assert.deepEqual(outcome, {
    kind: 'exited',
    status: 3,
    stdout: Buffer.from('a b; exit $(id)'),
  });
});

test('runHelper reports a program that is missing, cannot be started, or is killed', async () => {
  assert.deepEqual(await runHelper(call('docker-credential-none')), { kind: 'missing' });
  const name = program('plain', 'exit 0');
  chmodSync(join(FOLDER, name), 0o644);
  assert.deepEqual(await runHelper(call(name)), { kind: 'not-started' });
  assert.deepEqual(await runHelper(call(program('dies', 'kill -9 $$'))), { kind: 'killed' });
});

test('runHelper ends a program that exceeds the time or output limit', async () => {
  const slow = call(program('slow', 'exec sleep 60'), { timeoutMs: 50 });
  assert.deepEqual(await runHelper(slow), { kind: 'timed-out' });
  const loud = call(program('loud', 'while :; do echo xxxxxxxxxxxxxxxx; done'));
  assert.deepEqual(await runHelper(loud), { kind: 'output-too-large' });
});

test('runHelper does not wait for a program that does not read its input', async () => {
  const name = program('deaf', 'exit 0');
  const outcome = await runHelper(call(name, { input: 'x'.repeat(1 << 20) }));
  assert.equal(outcome.kind, 'exited');
});

test('runHelper stops with the reason of the signal when it aborts', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const running = runHelper(call(program('waits', 'exec sleep 60'), { signal: controller.signal }));
  controller.abort(reason);
  await assert.rejects(running, reason);
});

test('runHelper refuses names that are not credential helpers', async () => {
  for (const name of ['sh', '/bin/sh', 'docker-credential-../sh', 'docker-credential-']) {
    await assert.rejects(runHelper(call(name)), TypeError);
  }
});
