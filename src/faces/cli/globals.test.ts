import { equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { refuseStrayStore, selectionOf, sizeBytes } from './globals.ts';

test('sizeBytes reads suffixes as coreutils does', () => {
  const sizes = {
    '0': 0,
    '1024b': 1024,
    '1k': 1024,
    '1K': 1024,
    '1 kib': 1024,
    '1kB': 1000,
    '1.5GiB': 1610612736,
    '2T': 2 * 1024 ** 4,
  };
  for (const [text, bytes] of Object.entries(sizes)) equal(sizeBytes(text, '--size'), bytes, text);
});

test('sizeBytes refuses an invalid size', () => {
  for (const text of ['', 'k', '-1', '1.5', '1x', '1kk', '64Gi', '0x10', '1e3', '99999999P']) {
    throws(() => sizeBytes(text, '--size'), /Cannot read --size: expected a size such as/, text);
  }
});

test('an empty --repo and a store option that the verb does not use are refused', () => {
  throws(() => selectionOf({ repo: '' }), /expected a path after --repo/);
  const of = (group: 'unified' | 'files') =>
    ({ name: 'verb', group, summary: '', load: async () => ({}) as never }) as const;
  for (const options of [{ repo: '/r' }, { user: true }, { system: true }]) {
    throws(() => refuseStrayStore(of('unified'), options), /does not apply/);
    refuseStrayStore(of('files'), options);
  }
  throws(() => refuseStrayStore(of('files'), { sysroot: '/s' }), /applies to the unified verbs/);
  refuseStrayStore(of('unified'), { sysroot: '/s' });
});
