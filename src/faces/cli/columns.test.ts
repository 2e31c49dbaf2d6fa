import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './columns.ts';

test('columns are as wide as their widest cell, numbers end below each other, and no line ends in blanks', async () => {
  const rows = [
    ['a', '7', 'x'],
    ['longer', '1234', ''],
  ];
  assert.deepEqual(await formatTable(['NAME', 'SIZE', 'REST'], rows, ['SIZE']), [
    'NAME    SIZE  REST',
    'a          7  x',
    'longer  1234',
  ]);
});

test('a wide letter takes two columns, and a control character is shown as its number', async () => {
  const rows = [
    ['\u6f22\u5b57', '|'],
    ['e\u0301', '|'],
    ['a\u0007', '|'],
  ];
  const lines = await formatTable(['NAME', 'END'], rows, []);
  const [, wide = '', combined = '', control = ''] = lines;
  assert.deepEqual([wide, combined], ['\u6f22\u5b57  |'.replace('  |', '   |'), 'e\u0301      |']);
  assert.ok(control.endsWith('|') && !control.includes('\u0007'));
});

test('a table of very many rows takes time in proportion to them', async () => {
  const rowsOf = (count: number) => Array.from({ length: count }, (_, at) => [`${at}`, 'x', 'yy']);
  const cost = async (count: number) => {
    const start = process.threadCpuUsage();
    await formatTable(['A', 'B', 'C'], rowsOf(count), ['A']);
    const { user, system } = process.threadCpuUsage(start);
    return user + system;
  };
  await cost(20_000);
  const [few, many] = [await cost(20_000), await cost(160_000)];
  assert.ok(many < 24 * few, `20,000 rows took ${few} us, 160,000 took ${many} us`);
});
