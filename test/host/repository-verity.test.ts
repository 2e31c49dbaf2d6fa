import assert from 'node:assert/strict';
import { it } from 'node:test';
import { recordSkip } from '../support/capability.ts';
import { prepareGuest, runInGuest } from './qemu/guest.ts';

it('a secure repository holds on a kernel with fs-verity, in a virtual machine', async (t) => {
  const kernel = prepareGuest();
  if (typeof kernel === 'string') {
    recordSkip(t.name, kernel);
    t.skip(kernel);
    return;
  }
  const result = await runInGuest(kernel, 'test/host/qemu/repository.guest.ts');
  assert.equal(result.status, 0, result.output);
  assert.match(result.output, /repository on ext4[\s\S]*repository on btrfs[\s\S]*fail 0/);
});
