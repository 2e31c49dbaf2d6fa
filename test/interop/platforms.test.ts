/** A tag that leads to an index beside the real tool: it ignores the tag, but keeps all that the index names. */
import { deepEqual, equal, match } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { makeMultiImage, writeMultiImage } from '../support/multi-image.ts';
import { runCli } from '../support/run-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';

test('cfsctl keeps an index with all platforms, also after it rewrote the stream of one image', (t) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using temp = makeTempDir();
  const repo = join(temp.path, 'repo');
  const layout = join(temp.path, 'layout');
  writeMultiImage(layout, 'v1', makeMultiImage());
  const cfsctl = (...args: readonly string[]) => {
    const run = spawnSync('cfsctl', ['--insecure', '--repo', repo, ...args], { encoding: 'utf8' });
    equal(run.status, 0, `cfsctl ${args.join(' ')}: ${run.stderr}${run.stdout}`);
    return run.stdout;
  };
  const onecopy = (...args: readonly string[]) => {
    const run = runCli(args, { repo });
    equal(run.status, 0, `onecopy ${args.join(' ')}: ${run.stderr}${run.stdout}`);
    return run.stdout;
  };
  const streams = () => readdirSync(join(repo, 'streams')).filter((name) => name !== 'refs');
  onecopy('init', '--insecure');
  match(onecopy('pull', '--all-platforms', `oci:${layout}:v1`, 'multi'), /linux\/arm64/);
  const before = streams();
  match(cfsctl('oci', 'images'), /No images found/);
  match(cfsctl('oci', 'fsck'), /status: ok/);
  equal(cfsctl('gc'), 'Objects: 0 removed (0 bytes)\n');
  deepEqual(streams(), before);
  // The image is stored; its streams are written again with the images that cfsctl builds.
  cfsctl('oci', 'pull', `oci:${layout}:v1`, 'theirs');
  match(cfsctl('oci', 'images'), /theirs/);
  match(onecopy('fsck'), /no problems|ok/i);
  cfsctl('oci', 'untag', 'theirs');
  cfsctl('gc');
  deepEqual(streams(), before);
  onecopy('fsck');
  onecopy('gc');
  deepEqual(streams(), before);
  onecopy('export', 'multi', `oci:${join(temp.path, 'out')}:v1`);
  onecopy('rm', 'multi');
  cfsctl('gc');
  deepEqual(streams(), [], 'without its last name the real tool frees it, too');
});
