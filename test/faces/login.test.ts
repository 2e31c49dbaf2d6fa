import { deepEqual, equal, match } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FakeRegistry } from '../support/fake-registry.ts';
import { cliEnvironment, ONECOPY, runCli } from '../support/run-cli.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

const WANTED = `Basic ${Buffer.from('user:secret').toString('base64')}`;

/** Runs a line of bash; the registry of this process answers meanwhile. */
async function runShell(line: string) {
  const child = spawn('bash', ['-c', line], { env: cliEnvironment({ ONECOPY }) });
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('close', resolve)),
  ]);
  return { stdout, stderr, status };
}

test('login reads the password from a pipe, a file and a socket', async () => {
  using temp = makeMemoryDir();
  await using registry = await FakeRegistry.start(({ headers }) =>
    headers.authorization === WANTED
      ? { status: 200, body: '{}' }
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' }, body: '' },
  );
  const host = registry.plainHost;
  const login = (name: string) =>
    `"$ONECOPY" login --username user --password-stdin --authfile ${join(temp.path, name)} ${host}`;
  const secret = join(temp.path, 'secret');
  const lines = {
    pipe: `printf 'secret\\n' | ${login('pipe')}`,
    file: `printf secret > ${secret}; ${login('file')} < ${secret}`,
    socket: `"${process.execPath}" -e 'const { spawn } = require("node:child_process"); const child = spawn("bash", ["-c", process.argv[1]], { stdio: ["pipe", 1, 2] }); child.stdin.end("secret"); child.on("exit", (code) => process.exit(code))' '${login('socket')}'`,
  };
  for (const [name, line] of Object.entries(lines)) {
    const run = await runShell(line);
    deepEqual([name, run.status, run.stderr], [name, 0, '']);
    const kept = JSON.parse(readFileSync(join(temp.path, name), 'utf8'));
    equal(kept.auths[host].auth, WANTED.replace('Basic ', ''));
  }
  const wrong = await runShell(`printf wrong | ${login('wrong')}`);
  equal(wrong.status, 12);
  match(wrong.stderr, /hint: Check the user name and the password\n$/);
});

test('login without a user name names the missing option', () => {
  const run = runCli(['login', 'localhost:1']);
  deepEqual(run, {
    status: 2,
    stdout: '',
    stderr:
      'onecopy: Cannot log in to "localhost:1": expected --username, found none\n' +
      '  hint: Run `onecopy login --username NAME --password-stdin localhost:1`\n',
  });
});
