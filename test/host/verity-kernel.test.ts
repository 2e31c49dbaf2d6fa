import assert from 'node:assert/strict';
import { before, it, type TestContext } from 'node:test';
import { recordSkip } from '../support/capability.ts';
import { type GuestResult, prepareGuest, runInGuest } from './qemu/guest.ts';

/** Longest time of one boot with all programs, and once more when the emulator broke it, in milliseconds. */
const BOOT_MS = 230_000;
const PROGRAMS = ['verity', 'repository', 'image'].map((name) => `test/host/qemu/${name}.guest.ts`);

let found: GuestResult | string = 'not started';

before(
  async () => {
    const kernel = prepareGuest();
    found = typeof kernel === 'string' ? kernel : await runInGuest(kernel, PROGRAMS);
  },
  { timeout: BOOT_MS },
);

function outputOf(t: TestContext): string | undefined {
  if (typeof found !== 'string') {
    assert.equal(found.status, 0, found.output);
    return found.output;
  }
  recordSkip(t.name, found);
  t.skip(found);
  return undefined;
}

for (const [name, title] of [
  ['fs-verity of a real kernel agrees with ours, in a virtual machine', 'fs-verity'],
  ['a secure repository holds on a kernel with fs-verity, in a virtual machine', 'repository'],
  [
    'a kernel with fs-verity guards a pulled image through the mount, in a virtual machine',
    'secure image',
  ],
] as const) {
  it(name, (t) => {
    const output = outputOf(t);
    if (output === undefined) return;
    for (const filesystem of ['ext4', 'btrfs']) {
      assert.match(output, new RegExp(`${title} on ${filesystem}`));
    }
    assert.doesNotMatch(output, /fail [1-9]/);
  });
}
