import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkRepository, initRepository, openRepository } from '#stores/composefs';
import { computeImageId } from '#work/image';
import { planPull, pullImage } from '#work/pull-image';
import { cases } from '../support/long-form.ts';
import { describeRepository } from '../support/repository-tree.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

/** Points at which the pull is killed; the release gate runs more. */
const KILLS = cases(4, 50);
const LAYERS = 12;
const CHILD = fileURLToPath(new URL('./image-pull-child.ts', import.meta.url));

/** Layers that replace and add files, so that a missing or doubled one changes the image. */
function makeLayout(path: string) {
  const layers = Array.from({ length: LAYERS }, (_, layer) => ({
    tar: testTar([
      { name: 'usr/', flag: '5' },
      { name: 'usr/last', content: noise(2000, layer) },
      { name: 'usr/same', content: noise(2000, 1) },
      ...Array.from({ length: 60 }, (_, file) => ({
        name: `usr/l${layer}-${file}`,
        content: noise(100 + ((file * 977) % 9000), layer * 100 + file),
      })),
    ]),
  }));
  return writeTestLayout(path, layers);
}

/** Runs the pull and kills it after a while. @returns how long it took when it was faster */
async function pullUntilKilled(
  args: readonly string[],
  afterMs: number,
): Promise<number | undefined> {
  const child = fork(CHILD, args, { stdio: 'ignore' });
  await once(child, 'message');
  const start = performance.now();
  const exit = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [status] = (await exit) as [number | null];
  clearTimeout(timer);
  assert.ok(status === 0 || status === null, `the pull ended with ${status}`);
  return status === 0 ? performance.now() - start : undefined;
}

test('a pull killed at any point leaves a clean repository without tag, and the next pull reads no complete layer again', async () => {
  using temp = makeTempDir();
  const { reference } = makeLayout(join(temp.path, 'layout'));
  const whole = join(temp.path, 'whole');
  (await initRepository(whole, { algorithm: 'sha256', insecure: true })).repository[
    Symbol.dispose
  ]();
  const fullMs = (await pullUntilKilled([whole, reference, 'x'], 60_000)) ?? 0;
  const expected = describeRepository(whole);
  let killed = 0;
  for (let point = 0; point < KILLS; point += 1) {
    const path = join(temp.path, `repo-${point}`);
    const made = await initRepository(path, { algorithm: 'sha256', insecure: true });
    made.repository[Symbol.dispose]();
    const afterMs = (fullMs * (point + Math.random())) / KILLS;
    const tookMs = await pullUntilKilled([path, reference, 'x'], afterMs);
    using repository = await openRepository(path);
    const check = await checkRepository(repository);
    assert.ok(check.ok, `fsck after ${afterMs} ms: ${JSON.stringify(check.findings)}`);
    if (tookMs === undefined) killed += 1;
    // The tag is the last step: if it exists, everything exists.
    const isTagged = repository.tags.list().length === 1;
    if (tookMs !== undefined) assert.ok(isTagged);
    if (isTagged) assert.deepEqual(describeRepository(path), expected);
    const plan = await planPull(repository, reference);
    const named = repository.streams.list().filter(({ name }) => name.startsWith('oci-layer-'));
    const present = plan.layers.filter(({ status }) => status === 'present');
    assert.equal(present.length, named.length, 'every layer that has a name is complete');
    const report = await pullImage(repository, reference, { name: 'x', jobs: 2 });
    assert.equal(report.bytes.local, plan.wantedBytes);
    assert.equal(report.imageId, await computeImageId(repository, 'x'));
    assert.deepEqual(describeRepository(path), expected);
  }
  assert.ok(killed > KILLS / 3, `only ${killed} pulls of ${KILLS} were killed in time`);
});
