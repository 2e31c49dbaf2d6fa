import { deepEqual, equal, notDeepEqual, throws } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dedupeRange, OPEN, readExtents } from '#host';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';

/** More than one step of 16 MiB, and no whole number of blocks. */
const SIZE_BYTES = (18 << 20) + 1234;

for (const type of ['xfs', 'btrfs'] as const) {
  test(`equal files share their extents afterwards, and different files stay unchanged: ${type}`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const { dir, path } = filesystem;
    const content = randomBytes(SIZE_BYTES);
    writeFileSync(join(path, 'one'), content);
    writeFileSync(join(path, 'two'), content);
    const changed = Buffer.from(content);
    // In the second step: the first one is shared.
    changed[17 << 20] = (changed[17 << 20] ?? 0) ^ 1;
    writeFileSync(join(path, 'other'), changed);
    using one = dir.openFile('one');
    using two = dir.openFile('two', OPEN.read);
    using other = dir.openFile('other', OPEN.readWrite);
    const places = (file: typeof one) =>
      readExtents(file).map(({ physicalOffset, sizeBytes }) => [physicalOffset, sizeBytes]);
    notDeepEqual(places(one), places(two));
    const range = { fromOffset: 0, toOffset: 0, sizeBytes: SIZE_BYTES };
    deepEqual(dedupeRange(one, two, range), { sharedBytes: SIZE_BYTES, outcome: 'shared' });
    deepEqual(places(one), places(two));
    equal(
      readExtents(two).every(({ shared }) => shared),
      true,
    );
    deepEqual(dedupeRange(one, other, range), { sharedBytes: 16 << 20, outcome: 'differs' });
    equal(readFileSync(join(path, 'two')).equals(content), true);
    equal(readFileSync(join(path, 'other')).equals(changed), true);
    throws(() => dedupeRange(one, dir, range), { code: 'SYSCALL_FAILED' });
  });
}

test('files on a filesystem without shared extents are not changed', async (t) => {
  if (!needs(t, 'root', 'ext4')) return;
  await using filesystem = await mountLoopFilesystem('ext4');
  const { dir, path } = filesystem;
  for (const name of ['one', 'two']) writeFileSync(join(path, name), Buffer.alloc(8192, 1));
  using one = dir.openFile('one');
  using two = dir.openFile('two', OPEN.readWrite);
  const range = { fromOffset: 0, toOffset: 0, sizeBytes: 8192 };
  deepEqual(dedupeRange(one, two, range), { sharedBytes: 0, outcome: 'unsupported' });
});
