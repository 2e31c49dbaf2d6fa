import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeVerity } from './hasher.ts';
import { ALGORITHMS } from './layout.ts';

const tool = spawnSync('fsverity', ['--version'], { encoding: 'utf8' });
const skip = tool.status === 0 ? false : 'needs the program fsverity (fsverity-utils)';

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`fsverity digest agrees on ${algorithm} around block and level edges`, { skip }, () => {
    const dir = mkdtempSync(join(tmpdir(), 'onecopy-fsverity-'));
    try {
      const level = ALGORITHMS[algorithm].arity * 4096;
      const sizes = [0, 1, 4095, 4096, 4097, level - 1, level, level + 1, 3 * level + 5000];
      const contents = sizes.map((length) => Buffer.alloc(length, `${length} bytes of it`));
      const paths = contents.map((bytes, index) => {
        const path = join(dir, `${index}`);
        writeFileSync(path, bytes);
        return path;
      });
      const args = ['digest', '--compact', `--hash-alg=${algorithm}`, ...paths];
      const { stdout, stderr, status } = spawnSync('fsverity', args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const found = stdout.split('\n').filter((line) => line !== '');
      assert.deepEqual(
        found,
        contents.map((bytes) => computeVerity(bytes, algorithm)),
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
