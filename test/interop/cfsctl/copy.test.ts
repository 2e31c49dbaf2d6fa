/**
 * Recorded copies between repositories, done by our program of that name.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { describeRepository } from '../../support/repository-tree.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { cfsctl, type Mismatch, replay } from './replay.ts';

/**
 * The manifest of an image of several layers has a random id there; what gc counts holds it. An artifact keeps the streams that its pull
 * made, where the original makes others with one object less.
 */
function plain(text: string): string {
  return text
    .replace(/^(?:Manifest verity:|verity|Objects:) .*$/gm, '')
    .replace(/^objects: \d+\/\d+ ok$/m, '')
    .trim();
}

function isArtifact({ command }: Mismatch): boolean {
  return command.includes(' oci copy art ');
}

test('cfsctl oci copy prints the recorded output and writes the recorded repository', async () => {
  using temp = makeTempDir();
  const steps = readGolden<GoldenStep[]>('cli/copy-ext4.cfsctl-0.9.4.json');
  const places = { repo: join(temp.path, 'r'), scratch: temp.path };
  const mismatches = await replay(steps, places, { isSkipped: (step) => step.cmd === undefined });
  assert.deepEqual(
    mismatches.filter((one) => !isArtifact(one) && plain(one.expected) !== plain(one.found)),
    [],
  );
});

test('a copied repository has its own objects, and none is a hard link', async () => {
  using temp = makeTempDir();
  const [a, b] = [join(temp.path, 'a'), join(temp.path, 'b')];
  for (const repo of [a, b]) await cfsctl(['init', '--insecure', repo]);
  const layout = new URL('../../golden/cfsctl/oci/sizes/layout', import.meta.url).pathname;
  assert.equal((await cfsctl(['--repo', a, 'oci', 'pull', `oci:${layout}`, 'x'])).status, 0);
  const copied = await cfsctl(['--repo', b, 'oci', 'copy', 'x', '--from', a, '--name', 'x']);
  assert.equal(copied.status, 0, copied.stderr);
  await cfsctl(['--repo', a, 'gc']);
  await cfsctl(['--repo', b, 'gc']);
  assert.deepEqual(describeRepository(b), describeRepository(a));
  for (const line of describeRepository(b)) {
    const path = /^f \d+ \d+ (.*)$/.exec(line)?.[1];
    if (path !== undefined) assert.equal(statSync(join(b, path)).nlink, 1, path);
  }
  assert.match((await cfsctl(['--repo', b, 'oci', 'fsck'])).stdout.toString(), /status: ok/);
});
