/**
 * Recorded runs of the C `mount.composefs`: exit codes, whether there is a mount, and how it is mounted. The objects of the store are empty, so
 * that no file is read.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmount } from '#host';
import { main as mkcomposefs } from '../../../src/faces/compat/mkcomposefs.ts';
import { main as mountComposefs } from '../../../src/faces/compat/mount-composefs.ts';
import { needs } from '../../support/capability.ts';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { makeScene, replayTools } from './compat-tools.ts';

/** Help succeeds, and what mount(8) passes to helpers is taken; a user namespace needs a process of its own. */
const LEFT_OUT = /(?:^| )(?:--help|-[nsvf])(?: |$)|idmap=\$W\/userns/;

/** How a place is mounted: options of the mount, type, and `rw` or `ro` of the filesystem. */
function mountOf(target: string): readonly string[] | undefined {
  const rows = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const fields = rows.find((row) => row.split(' ')[4] === target)?.split(' ');
  if (fields === undefined) return undefined;
  const rest = fields.slice(fields.indexOf('-') + 1);
  return [fields[5] ?? '', rest[0] ?? '', rest[2]?.split(',')[0] ?? ''];
}

test('mount.composefs mounts and refuses what the C program does', async (t) => {
  if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay')) return;
  using temp = makeTempDir();
  const target = join(temp.path, 'm');
  await makeScene(temp.path, mkcomposefs);
  for (const name of ['m', 'store-b', 'up', 'wk']) mkdirSync(join(temp.path, name));
  const seen: (readonly [step: number, found: unknown, expected: unknown])[] = [];
  let wasRun = false;
  const look = (step: GoldenStep, index: number) => {
    if (step.cmd === undefined && wasRun) {
      const found = mountOf(target);
      const isMounted = step['mounted'] === true;
      const system = String(step['super']).slice(0, 2);
      const expected = isMounted ? [step['options'], step['type'], system] : undefined;
      seen.push([index, found, expected]);
      if (found !== undefined) unmount(target);
    }
    wasRun = step['tool'] === 'C' && !LEFT_OUT.test(step.cmd?.join(' ') ?? '');
    return wasRun ? ('status' as const) : ('skip' as const);
  };
  const place = (text: string) => text.replaceAll('$W', temp.path);
  const tools = { 'mount.composefs': mountComposefs };
  const steps = readGolden<GoldenStep[]>('c-tools/mount.composefs.json');
  try {
    assert.deepEqual(await replayTools(steps, { tools, place, look }), []);
  } finally {
    if (mountOf(target) !== undefined) unmount(target);
  }
  assert.ok(seen.length > 30);
  for (const [index, found, expected] of seen) assert.deepEqual(found, expected, `step ${index}`);
});
