import { deepEqual, equal } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openImageSource } from '#stores/oci-layout';
import { makeTempDir } from '../support/temp-dir.ts';

const ROUNDS = 15;
const WRITER = fileURLToPath(new URL('./layout-writer.ts', import.meta.url));

/** Resolves with the exit status of a writer in a process of its own. */
function runWriter(path: string, who: string): Promise<number | null> {
  const child = spawn(process.execPath, [WRITER, path, who, String(ROUNDS)], { stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', resolve));
}

test('three processes that add images to one layout at the same time lose none of them', async () => {
  using temp = makeTempDir();
  const path = `${temp.path}/layout`;
  const writers = ['a', 'b', 'c'];
  deepEqual(await Promise.all(writers.map((who) => runWriter(path, who))), [0, 0, 0]);
  using source = await openImageSource({ transport: 'oci', path });
  const names = source.listImages().flatMap((image) => image.names);
  equal(new Set(names).size, writers.length * ROUNDS);
});
