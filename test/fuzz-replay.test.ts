/** Every fuzz target holds its invariant on its corpus, its seeds and a few damaged copies; `npm run fuzz` goes on from there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mutate, Random } from '../fuzz/mutate.ts';
import { inputsOf, listTargets, loadTarget } from '../fuzz/target.ts';

const DAMAGED_RUNS = 150;

for (const file of listTargets()) {
  test(`fuzz target ${file} holds on known and damaged inputs`, async () => {
    const target = await loadTarget(file);
    assert.equal(target.name, file);
    const inputs = [...inputsOf(target).values()];
    for (const input of inputs) await target.run(input);
    const random = new Random(1);
    for (let run = 0; run < DAMAGED_RUNS; run += 1) {
      const bytes = mutate(random.pick(inputs), random.pick(inputs), random);
      await target.run(target.repair?.(bytes) ?? bytes);
    }
  });

  test(`fuzz target ${file} states its invariant in the first line`, () => {
    const source = readFileSync(new URL(`../fuzz/targets/${file}.ts`, import.meta.url), 'utf8');
    assert.match(source, /^\/\/ Invariant: \S/);
  });
}

test('one seed always gives the same damaged inputs', () => {
  const input = Buffer.from('some input of a parser, long enough for spans');
  const sequence = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 50 }, () =>
      Buffer.from(mutate(input, input, random)).toString('hex'),
    );
  };
  assert.deepEqual(sequence(9), sequence(9));
  assert.notDeepEqual(sequence(9), sequence(10));
});
