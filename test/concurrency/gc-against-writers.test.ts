import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkRepository, collectGarbage, initRepository, openRepository } from '#stores/composefs';
import { makeTempDir } from '../support/temp-dir.ts';

const ROUNDS = 30;
const WRITER = fileURLToPath(new URL('./stream-writer.ts', import.meta.url));

/** Runs the writer in a process of its own; resolves with its exit status and what it said on stderr. */
function startWriter(path: string, who: string) {
  const child = spawn(process.execPath, [WRITER, path, who, String(ROUNDS)], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  return new Promise<{ status: number | null; stderr: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, stderr }));
  });
}

test('two writer processes and a collector process lose no referenced object', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository[
    Symbol.dispose
  ]();
  let isRunning = true;
  const writers = Promise.all([startWriter(path, 'one'), startWriter(path, 'two')]).finally(() => {
    isRunning = false;
  });
  let collections = 0;
  while (isRunning) {
    using repository = await openRepository(path);
    await collectGarbage(repository, { timeoutMs: 30_000 });
    collections += 1;
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  deepEqual(await writers, [
    { status: 0, stderr: '' },
    { status: 0, stderr: '' },
  ]);
  ok(collections > 1, 'garbage was collected meanwhile');
  using repository = await openRepository(path);
  await collectGarbage(repository);
  deepEqual((await checkRepository(repository)).findings, []);
  const kept = 2 * (ROUNDS - Math.floor(ROUNDS / 3));
  equal(repository.refs.list('streams').filter(({ id }) => id !== undefined).length, kept);
  equal(repository.streams.list().length, kept);
});
