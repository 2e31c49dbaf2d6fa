import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAll, startWorker } from '#host';
import { makeTempDir } from '../support/temp-dir.ts';
import type { RaceResult, RaceTask } from './race-worker.ts';

const MODULE = new URL('./race-worker.ts', import.meta.url);

describe('threads that publish the same names', () => {
  it('have exactly one winner per name, with its complete content', async () => {
    using temp = makeTempDir();
    const names = Array.from({ length: 200 }, (_, index) => `object-${index}`);
    const workers = ['a', 'b', 'c'].map((content) => {
      const task: RaceTask = { fd: temp.dir.fd, names, content };
      return startWorker<RaceTask, never, never, RaceResult>(MODULE, task);
    });
    const results = await Promise.all(workers.map((worker) => worker.done));
    const won = results.map(({ published }) => published);
    assert.equal(
      won.reduce((sum, count) => sum + count),
      names.length,
    );
    assert.equal(temp.dir.readEntries().length, names.length);
    for (const name of names) {
      using file = temp.dir.openFile(name);
      assert.match(readAll(file, 1000).toString(), /^(?:a{100}|b{100}|c{100})$/);
    }
  });
});
