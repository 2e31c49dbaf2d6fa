import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './columns.ts';

test('columns fit their widest cell, numbers align right, and lines have no trailing blanks', async () => {
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

test('a wide character takes two columns, and a control character is printed as its code', async () => {
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

test('the time to lay out a table grows linearly with its rows', async () => {
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
