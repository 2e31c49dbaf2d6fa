/** Copies through Debian's docker-registry: skopeo reads what we copied, and the same copy by skopeo gives the same bytes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { copyImage } from '#work/copy-image';
import { needs } from '../support/capability.ts';
import { DockerRegistry } from '../support/docker-registry.ts';
import { makeMultiImage, writeMultiImage } from '../support/multi-image.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const skopeo = (...words: readonly string[]) => run('skopeo', ['--insecure-policy', ...words]);

function filesOf(path: string): ReadonlyMap<string, string> {
  return new Map(
    readdirSync(path)
      .toSorted()
      .map((name) => [name, readFileSync(join(path, name)).toString('latin1')]),
  );
}

test('copies of all platforms, to and from a registry, equal the bytes that skopeo copies', async (t) => {
  if (!needs(t, 'tool:docker-registry', 'tool:skopeo')) return;
  using temp = makeTempDir();
  await using registry = await DockerRegistry.start();
  const path = (name: string) => join(temp.path, name);
  const at = (name: string) => `docker://${registry.host}/${name}`;
  const image = makeMultiImage();
  writeMultiImage(path('layout'), 'v1', image);
  const layout = `oci:${path('layout')}:v1`;
  const all = { all: true };
  const pushed = await copyImage(layout, at('ns/ours:v1'), { ...all, withReferrers: true });
  assert.equal(pushed.digest, image.digest);
  assert.equal(pushed.referrers.length, 3);
  // Theirs from what we pushed, and ours of the same.
  const quiet = ['copy', '--all', '--quiet', '--src-tls-verify=false'];
  await skopeo(...quiet, at('ns/ours:v1'), `dir:${path('theirs')}`);
  await copyImage(at('ns/ours:v1'), `dir:${path('ours')}`, all);
  assert.deepEqual(filesOf(path('ours')), filesOf(path('theirs')));
  // Ours from what they pushed.
  await skopeo('copy', '--all', '--quiet', '--dest-tls-verify=false', layout, at('ns/theirs:v1'));
  await copyImage(at('ns/theirs:v1'), `dir:${path('back')}`, all);
  assert.deepEqual(filesOf(path('back')), filesOf(path('ours')));
  // Within the registry nothing is sent, and the referrers, kept under tags, come back.
  const mounted = await copyImage(at('ns/ours:v1'), at('ns/second:v1'), {
    ...all,
    withReferrers: true,
  });
  assert.deepEqual([mounted.bytes.copied, mounted.referrers.length], [0, 3]);
  assert.ok(mounted.bytes.mounted > 50_000);
});
