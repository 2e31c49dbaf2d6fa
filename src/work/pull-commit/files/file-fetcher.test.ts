import assert from 'node:assert/strict';
import { closeSync, openSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { byteStringOf } from '#base/bytes';
import { computeFileChecksum, encodeFilez, S_IFREG } from '#formats/ostree';
import type { OstreeRemote } from '#remotes/ostree';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import { FileFetcher } from './file-fetcher.ts';
import { FileTools } from './file-tools.ts';

/** As much of a remote as is used when answers come that were asked for before. */
const REMOTE = {
  maxInFlight: 1,
  openShort: async () => undefined,
} as unknown as OstreeRemote;

test('a response still queued at `finish()` is dropped and never written to the journal', async () => {
  using target = await makeTempRepository();
  const journal = `${target.path}/journal`;
  const journalFd = openSync(journal, 'a');
  const content = Buffer.alloc(500, 'content');
  const noTarget = byteStringOf(new Uint8Array(0));
  const mode = S_IFREG | 0o644;
  const header = { uid: 0, gid: 0, mode, target: noTarget, xattrs: [], sizeBytes: content.length };
  const abort = new AbortController();
  let told = 0;
  const fetcher = new FileFetcher({
    tools: new FileTools(target.repository.objects.writerSeed(), journalFd),
    origin: { kind: 'remote', remote: REMOTE },
    signal: abort.signal,
    onFetched: () => told++,
  });
  const checksum = computeFileChecksum(header, content);
  fetcher.onBytes(checksum, encodeFilez(header, content));
  abort.abort();
  fetcher.finish();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  closeSync(journalFd);
  assert.equal(told, 0);
  assert.equal(statSync(journal).size, 0);
  assert.deepEqual([...target.repository.objects.list()], []);
});
