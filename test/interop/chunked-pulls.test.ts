import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { initRepository } from '#stores/composefs';
import { type PullReport, pullImage } from '#work/pull-image';
import { makeTempDir } from '../support/temp-dir.ts';

const LAYOUTS = fileURLToPath(new URL('../golden/chunked/oci/', import.meta.url));

async function pullAll(names: readonly string[]): Promise<PullReport[]> {
  using temp = makeTempDir();
  const reports: PullReport[] = [];
  for (const name of names) {
    const path = join(temp.path, name);
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using open = repository;
    reports.push(await pullImage(open, `oci:${join(LAYOUTS, name)}`, { name }));
  }
  return reports;
}

test('layers with a TOC (eStargz, zstd:chunked) can be pulled as plain gzip and zstd', async () => {
  const [plain, ...others] = await pullAll(['gz-v1', 'zs-v1', 'zc-v1']);
  assert.ok(plain?.imageId !== undefined);
  for (const other of others) {
    assert.equal(other.imageId, plain.imageId);
    assert.deepEqual(other.objects, plain.objects);
    assert.equal(other.layers[0]?.streamId, plain.layers[0]?.streamId);
  }
});

test('a layer of many gzip members is read to the end', async () => {
  const [report] = await pullAll(['es-v1']);
  assert.ok((report?.objects.stored ?? 0) > 0);
  const [layer] = report?.layers ?? [];
  const blob = readFileSync(
    join(LAYOUTS, 'es-v1/blobs/sha256', layer?.digest.replace('sha256:', '') ?? ''),
  );
  let members = 0;
  for (
    let at = blob.indexOf('1f8b08', 0, 'hex');
    at >= 0;
    at = blob.indexOf('1f8b08', at + 1, 'hex')
  ) {
    members += 1;
  }
  assert.ok(members > 1, 'the fixture has several members');
});
