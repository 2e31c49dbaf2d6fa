/**
 * Every recorded run of `cfsctl` on OCI images, done by our program of that name: the same exit codes, the same lines and the same
 * repository after every step.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { isRandom, replay } from './replay.ts';

const CASES = fileURLToPath(new URL('../../golden/cfsctl/oci/', import.meta.url));

/**
 * Cases where the original fails and we succeed, or accepts what we refuse: from the pull on everything differs. The tests of pulls compare
 * them; docs/compatibility.md gives the reasons.
 */
const DIFFERENT = new Set([
  'artifact',
  'multiarch-nested-notag',
  'quirk-bad-blob',
  'quirk-bad-blob-same-size',
  'quirk-bad-config',
  'quirk-bad-diffid',
  'quirk-diffid-count',
  'quirk-foreign-arch',
  'quirk-gzip-multi',
  'quirk-gzip-trailing',
  'quirk-hardlink-later',
  'quirk-hardlink-missing',
  'quirk-missing-parent',
  'quirk-neg-mtime',
  'quirk-no-usr',
  'quirk-one-zero-block',
  'quirk-run-symlink',
  'quirk-schema2-layer',
  'quirk-sparse-gnu',
  'quirk-symlink-parent',
  'quirk-unknown-type',
  'quirk-usr-is-file',
  'quirk-zero-layers',
  'quirk-zstd-multi',
]);

/** Images of several layers: the original writes the references of their manifests in random order. */
const RANDOM = new Set(['quirk-empty-layer', 'two-tags', 'whiteouts', 'zstd-plain']);

/** All transcripts of a case; what a newer release does counts where it differs. */
function transcriptsOf(name: string): (readonly [file: string, steps: readonly GoldenStep[]])[] {
  const files = readdirSync(join(CASES, name));
  return files
    .filter((file) => /^sha(256|512)-v[012]\.json$/.test(file))
    .map((file) => {
      const newer = file.replace('.json', '.cfsctl-0.9.4.json');
      return [file, readGolden(`oci/${name}/${files.includes(newer) ? newer : file}`)] as const;
    });
}

for (const name of readdirSync(CASES).filter((one) => !DIFFERENT.has(one))) {
  for (const [file, steps] of transcriptsOf(name)) {
    test(`cfsctl does ${name} as recorded (${file.replace('.json', '')})`, async () => {
      using temp = makeTempDir();
      const places = { repo: join(temp.path, 'repo'), scratch: temp.path, layout: name };
      const mismatches = await replay(steps, places);
      assert.deepEqual(
        mismatches.filter((one) => !(RANDOM.has(name) && isRandom(one))),
        [],
      );
    });
  }
}
