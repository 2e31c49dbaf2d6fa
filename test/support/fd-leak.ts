import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';

/** Descriptors that the runtime opens when it likes. */
const RUNTIME = /^(?:anon_inode:|pipe:|socket:|\/dev\/(?:null|pts|tty)|\/proc\/self\/fd)/;

function openFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      files.set(fd, readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // The descriptor of this listing itself is gone by now.
    }
  }
  return files;
}

/**
 * Notes the open files now and asserts, when disposed, that no others are open: `using _leaks = watchDescriptors();` as the first
 * line of a test.
 */
export function watchDescriptors(): Disposable {
  const before = openFiles();
  return {
    [Symbol.dispose]() {
      const leaked = [...openFiles()].filter(
        ([fd, path]) => before.get(fd) !== path && !RUNTIME.test(path),
      );
      assert.deepEqual(leaked, [], 'files are still open');
    },
  };
}
