import assert from 'node:assert/strict';
import { it } from 'node:test';
import { recordSkip } from '../support/capability.ts';
import { prepareGuest, runInGuest } from './qemu/guest.ts';

it('a kernel with fs-verity guards a pulled image through the mount, in a virtual machine', async (t) => {
  const kernel = prepareGuest();
  if (typeof kernel === 'string') {
    recordSkip(t.name, kernel);
    t.skip(kernel);
    return;
  }
  const result = await runInGuest(kernel, 'test/host/qemu/image.guest.ts');
  assert.equal(result.status, 0, result.output);
  assert.match(result.output, /secure image on ext4[\s\S]*secure image on btrfs[\s\S]*fail 0/);
});
