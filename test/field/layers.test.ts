/** Layers as they were met in the field: made by old tools, odd or hostile, each pulled and looked at. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { initRepository } from '#stores/composefs';
import { openImageView } from '#work/browse';
import { openOciImage } from '#work/image';
import { type PullReport, pullImage } from '#work/pull-image';
import { codeOf } from '../support/error-code.ts';
import { testPaxRecord, testTar, testTarHeader, withTestChecksum } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

interface Pulled {
  readonly report: PullReport;
  readonly paths: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  read(path: string): string;
}

/** Pulls an image of these layers; `use` looks at it. */
async function pulled(
  tars: readonly Uint8Array[],
  use: (image: Pulled) => void,
  labels: Record<string, unknown> = {},
): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  const { reference } = writeTestLayout(
    join(temp.path, 'layout'),
    tars.map((tar) => ({ tar, compression: 'none' as const })),
    { config: { config: { Labels: labels } } },
  );
  const report = await pullImage(open, reference, { name: 'img' });
  using view = await openImageView(open, 'img');
  const paths = [...view.walk('/' as ByteString)].map((entry) => entry.path);
  const read = (name: string) =>
    Buffer.concat([...view.read(name as ByteString)].map((piece) => Buffer.from(piece))).toString();
  const { config } = openOciImage(open, 'img');
  use({ report, paths, read, labels: config?.labels ?? new Map() });
}

const USR = { name: 'usr/', flag: '5' };

/** One header with fields at fixed places changed, and its checksum made right again. */
function header(name: string, change: (block: Buffer) => void): Buffer {
  const block = testTarHeader({ name });
  change(block);
  return withTestChecksum(block);
}

test('the next file is read after a hard link whose header states a size', async () => {
  const tar = testTar([
    USR,
    { name: 'usr/a', content: noise(512, 1) },
    { name: 'usr/b', flag: '1', link: 'usr/a', statedSize: 512 },
    { name: 'usr/empty' },
    { name: 'usr/d', content: noise(70, 2) },
  ]);
  await pulled([tar], ({ paths }) => {
    deepEqual(paths, ['/', '/usr', '/usr/a', '/usr/b', '/usr/d', '/usr/empty']);
  });
});

for (const [what, flag] of [
  ['symlink', '2'],
  ['character device', '3'],
  ['block device', '4'],
  ['directory', '5'],
  ['fifo', '6'],
] as const) {
  test(`the next file is read after a ${what} whose header states a size`, async () => {
    const sized = { name: 'usr/b', flag, link: 'a', statedSize: 512 };
    await pulled([testTar([USR, sized, { name: 'usr/c' }])], ({ paths }) => {
      deepEqual(paths, ['/', '/usr', '/usr/b', '/usr/c']);
    });
  });
}

test('the name prefix in a GNU header of an old Docker is read', async () => {
  const long = header('file', (block) => {
    block.write('ustar  \0', 257, 'latin1');
    block.write('usr/long', 345);
  });
  await pulled([Buffer.concat([long, testTar([USR])])], ({ paths, report }) => {
    deepEqual(paths, ['/', '/usr', '/usr/long', '/usr/long/file']);
    equal(report.differences?.named[0]?.difference, 'prefix');
  });
});

test('a v7 member whose name ends in a slash is a directory', async () => {
  const old = header('usr/', (block) => {
    block.fill(0, 156, 157);
    block.fill(0, 257, 265);
  });
  await pulled([Buffer.concat([old, testTar([{ name: 'usr/a', content: 'a' }])])], ({ paths }) => {
    deepEqual(paths, ['/', '/usr', '/usr/a']);
  });
});

test('hard links to files in .wh..wh.plnk of AUFS get their content', async () => {
  const upper = testTar([
    { name: '.wh..wh.plnk/', flag: '5' },
    { name: '.wh..wh.plnk/1.2', content: 'c' },
    { name: 'usr/c', flag: '1', link: '.wh..wh.plnk/1.2' },
    { name: '.wh..wh.aufs' },
  ]);
  await pulled([testTar([USR, { name: 'usr/b', content: 'b' }]), upper], ({ paths, read }) => {
    deepEqual(paths, ['/', '/usr', '/usr/b', '/usr/c']);
    equal(read('/usr/c'), 'c');
  });
});

test('an entry below a directory that a lower layer replaced by a symlink is refused with that reason', async () => {
  const lower = testTar([
    USR,
    { name: 'usr/lib/', flag: '5' },
    { name: 'lib', flag: '2', link: 'usr/lib' },
  ]);
  const upper = testTar([{ name: 'lib/x.so', content: 'xso' }]);
  await rejects(
    pulled([lower, upper], () => {}),
    (error) => {
      ok(hasCode(error, 'LAYER_PATH_INVALID'));
      const causes = [error.message, error.cause instanceof Error ? error.cause.message : ''];
      match(causes.join('\n'), /expected "\/lib" to be a directory, found a symlink to "usr\/lib"/);
      return true;
    },
  );
});

test('a header whose checksum is a sum of signed bytes is read', async () => {
  const name = Buffer.from('usr/\xff\xfe\xe9', 'latin1');
  const signed = header('', (block) => block.set(name));
  const sum = Number.parseInt(signed.toString('latin1', 148, 154), 8) - 3 * 256;
  signed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  await pulled([Buffer.concat([signed, testTar([USR])])], ({ paths }) => {
    deepEqual(paths, ['/', '/usr', `/${name.toString('latin1')}`]);
  });
});

test('the last of repeated extension headers is used, and the last member needs no padding', async () => {
  const pax = (path: string) =>
    testTar([{ name: 'x', flag: 'x', content: testPaxRecord('path', path) }]).subarray(0, 1024);
  const file = testTar([{ name: 'short', content: 'content' }]).subarray(0, 512 + 7);
  const usr = testTar([USR]).subarray(0, 512);
  await pulled([Buffer.concat([usr, pax('usr/a'), pax('usr/b'), file])], ({ paths, read }) => {
    deepEqual(paths, ['/', '/usr', '/usr/b']);
    equal(read('/usr/b'), 'content');
  });
});

test('a null label is read as an absent label', async () => {
  await pulled([testTar([USR])], ({ labels }) => deepEqual([...labels], [['b', 'c']]), {
    a: null,
    b: 'c',
  });
});

test('directory nesting above the limit of readers is refused, and nesting at the limit is read', async () => {
  const deep = (levels: number) => {
    const record = testPaxRecord('path', `${'d/'.repeat(levels)}f`);
    return testTar([
      { name: 'x', flag: 'x', content: record },
      { name: 'f', content: 'f' },
    ]);
  };
  equal(await codeOf(pulled([deep(2048)], () => {})), 'LAYER_PATH_INVALID');
  await pulled([deep(2046)], ({ paths }) => equal(paths.length, 2048));
});

test("a device number above the kernel's range is refused, not truncated to a whiteout", async () => {
  const device = header('dev', (block) => {
    block.write('3', 156);
    block.write('0010000\0', 329);
    block.write('0000000\0', 337);
  });
  equal(
    await codeOf(pulled([Buffer.concat([device, testTar([USR])])], () => {})),
    'TAR_DEVICE_INVALID',
  );
});
