import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { watchDescriptors } from '../../test/support/fd-leak.ts';
import { makeTempDir } from '../../test/support/temp-dir.ts';
import { ERRNO } from './ffi/errno.ts';
import { setSyscallObserver } from './ffi/ffi.ts';
import { CAPABILITY_NAMES, probeHost } from './probe.ts';

afterEach(() => setSyscallObserver(undefined));

describe('probeHost', () => {
  it('reports every capability, with a reason for each missing one, and leaves nothing behind', () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    const table = probeHost(temp.dir);
    assert.deepEqual([...table.keys()], [...CAPABILITY_NAMES]);
    for (const { name, available, detail } of table.values()) {
      assert.equal(detail === '', available, name);
    }
    assert.equal(table.get('root')?.available, process.geteuid?.() === 0);
    assert.deepEqual(temp.dir.readEntries(), []);
  });

  it('reports a capability as missing if the kernel refuses it, whatever the errno', () => {
    using temp = makeTempDir();
    for (const errno of [ERRNO.EOPNOTSUPP, ERRNO.EPERM, ERRNO.EIO]) {
      setSyscallObserver((name) => (name === 'ioctl' || name === 'fsetxattr' ? errno : undefined));
      const table = probeHost(temp.dir);
      for (const name of ['reflink', 'verity-sha256', 'xattr-user'] as const) {
        assert.equal(table.get(name)?.available, false, `${name} with errno ${errno}`);
      }
      assert.equal(table.get('tmpfile')?.available, true);
    }
  });
});
