import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import type { DeltaSource } from './delta.ts';
import { askAhead } from './delta-ahead.ts';

const TO = 'aa'.repeat(32) as OstreeChecksum;
const FROM = 'bb'.repeat(32) as OstreeChecksum;
const OTHER = 'cc'.repeat(32) as OstreeChecksum;

/** Answers every superblock with the name it was asked by, and notes it. */
function listening(asked: string[]): DeltaSource {
  return {
    superblock: async ({ from = 'nothing', to }) => {
      asked.push(`${from}-${to}`);
      return Buffer.from(from);
    },
    deltaIndex: async (to) => {
      asked.push(`index ${to}`);
      return undefined;
    },
    deltaPart: () => assert.fail('no part was asked for'),
  };
}

test('the first candidate delta is requested ahead, and only once', async () => {
  const asked: string[] = [];
  const source = askAhead(listening(asked), TO, { summary: undefined, current: FROM });
  assert.deepEqual(asked, [`${FROM}-${TO}`]);
  const bytes = await source.superblock({ from: FROM, to: TO }, undefined, {});
  assert.equal(bytes?.toString(), FROM);
  assert.deepEqual(asked, [`${FROM}-${TO}`]);
});

test('a delta that was not requested ahead is requested on use', async () => {
  const asked: string[] = [];
  const source = askAhead(listening(asked), TO, { summary: undefined, current: undefined });
  await source.superblock({ from: OTHER, to: TO }, undefined, {});
  // One whose checksum is known must be compared with that.
  await source.superblock({ from: undefined, to: TO }, OTHER, {});
  assert.deepEqual(asked, [`nothing-${TO}`, `${OTHER}-${TO}`, `nothing-${TO}`]);
});

test('an error of a request ahead is reported only to the caller that reads its answer', async () => {
  const broken: DeltaSource = {
    superblock: () => Promise.reject(new Error('the line is cut')),
    deltaIndex: () => Promise.reject(new Error('the line is cut')),
    deltaPart: () => assert.fail('no part was asked for'),
  };
  askAhead(broken, TO, { summary: undefined, current: undefined });
  const source = askAhead(broken, TO, { summary: undefined, current: undefined });
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(source.superblock({ from: undefined, to: TO }, undefined, {}), /cut/);
});
