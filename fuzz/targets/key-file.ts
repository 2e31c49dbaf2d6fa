// Invariant: any bytes parse into a key file that is written and read back the same, or give one FormatError.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { encodeKeyFile, keyList, keyString, parseKeyFile } from '#formats/ostree';

/** Name of the target and of its folder of inputs. */
export const name = 'key-file';

/** Parses, looks at every value, writes and parses again. */
export function run(bytes: Uint8Array): void {
  try {
    const file = parseKeyFile(bytes);
    for (const [group, entries] of file) {
      for (const key of entries.keys()) {
        keyString(file, group, key);
        keyList(file, group, key);
      }
    }
    assert.deepEqual(parseKeyFile(encodeKeyFile(file)), file);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** The config of a repository with a remote. */
export function seeds(): Uint8Array[] {
  const text =
    '# comment\n[core]\nrepo_version=1\nmode=archive-z2\n\n[remote "o"]\nurl=http://h/r\ngpgkeypath=/a;/b\\;c;\nx=\\s\\n\\\\\n';
  return [Uint8Array.from(Buffer.from(text, 'latin1'))];
}
