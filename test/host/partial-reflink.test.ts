import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { computeVerity, objectPath } from '#formats/fsverity';
import { readExtents } from '#host';
import { openRepository } from '#stores/composefs';
import { needs } from '../support/capability.ts';
import { readChunkedImage } from '../support/chunked-layers.ts';
import { readFixture } from '../support/chunked-read.ts';
import { LayoutRegistry } from '../support/layout-registry.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';

const [LAYER = assert.fail('no layer')] = readChunkedImage('oci/zc-v2');
/** `data/big.bin` of the second version: 1.2 MB of which an edit and an insertion leave the first half in its place. */
const BIG = 'data/big.bin';

async function contentOfBig(): Promise<Buffer> {
  const { layer } = await readFixture(LAYER);
  const { chunks } = layer.files.find(({ name }) => name === BIG) ?? assert.fail('no file');
  return Buffer.concat(
    chunks.map(({ offset, lengthBytes }) =>
      zstdDecompressSync(LAYER.blob.subarray(offset, offset + lengthBytes)),
    ),
  );
}

/** Runs the program while the registries of this process answer it. */
async function onecopy(...args: string[]): Promise<string> {
  return (await promisify(execFile)(ONECOPY, args, { env: cliEnvironment() })).stdout;
}

for (const [type, least] of [
  ['xfs', 500_000],
  ['btrfs', 500_000],
  ['ext4', 0],
] as const) {
  test(`on ${type} a partial pull writes a file that shares at least ${least} bytes with stored files`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const path = join(filesystem.path, 'repo');
    for (const image of ['zc-v1', 'zc-v2']) {
      const layout = fileURLToPath(new URL(`../golden/chunked/oci/${image}`, import.meta.url));
      await using registry = await LayoutRegistry.start(layout);
      const reference = `docker://${registry.host}/image:latest`;
      await onecopy('--repo', path, 'pull', '--strategy', 'partial', reference, image);
    }
    using repository = await openRepository(path);
    const content = await contentOfBig();
    const id = computeVerity(content, repository.algorithm);
    const file = join(path, 'objects', objectPath(id));
    assert.ok(existsSync(file) && readFileSync(file).equals(content), 'the same bytes everywhere');
    using object = repository.objects.open(id);
    const extents = readExtents({ fd: object.fd, label: 'object' });
    const sharedBytes = extents
      .filter(({ shared }) => shared)
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    assert.ok(least === 0 ? sharedBytes === 0 : sharedBytes >= least, `${sharedBytes} bytes`);
  });
}
