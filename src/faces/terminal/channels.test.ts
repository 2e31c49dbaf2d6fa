import { equal } from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTempDir } from '../../../test/support/temp-dir.ts';

/** What a pipe holds (Linux pipe(7)). */
const PIPE_BYTES = 65536;

/** A program that says this on standard output, piece by piece, and leaves. */
function saying(pieces: readonly string[]): readonly string[] {
  const module = JSON.stringify(import.meta.resolve('./channels.ts'));
  const program = `import { leave, stdout } from ${module};
    for (const piece of ${JSON.stringify(pieces)}) stdout.write(piece);
    leave(0);`;
  return ['--input-type=module', '-e', program];
}

function read(fd: number): string {
  const piece = Buffer.alloc(PIPE_BYTES);
  try {
    return piece.toString('latin1', 0, readSync(fd, piece));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    return '';
  }
}

test('a thousand writes arrive complete and in order', () => {
  const pieces = Array.from({ length: 1000 }, (_, at) => `${at} ${'é'.repeat(at % 50)}\n`);
  const { stdout, status } = spawnSync(process.execPath, saying(pieces), { encoding: 'utf8' });
  equal(status, 0);
  equal(stdout, pieces.join(''));
});

test('no output is lost when the non-blocking pipe is full', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 'pipe');
  equal(spawnSync('mkfifo', [path]).status, 0);
  const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = PIPE_BYTES - 100;
    equal(writeSync(writer, '-'.repeat(before)), before);
    const said = ['a'.repeat(60), 'b'.repeat(3000), 'c'.repeat(70_000)];
    const child = spawn(process.execPath, saying(said), { stdio: ['ignore', writer, 'inherit'] });
    const exit = once(child, 'exit');
    let isOver = false;
    void exit.then(() => {
      isOver = true;
    });
    let got = '';
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      got += read(reader);
    }
    got += read(reader);
    equal(got.slice(before), said.join(''));
    equal((await exit)[0], 0);
  } finally {
    closeSync(writer);
    closeSync(reader);
  }
});
