import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseContentDigest } from '#base/digest';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { collectGarbage, initRepository } from '../index.ts';

const digestOf = (letter: string) => parseContentDigest(`sha256:${letter.repeat(64)}`);

test('gc keeps a partial blob that grew recently, and removes one that has not grown for over a week', async () => {
  using temp = makeTempDir();
  const { repository } = await initRepository(join(temp.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using open = repository;
  for (const letter of ['a', 'b']) {
    using partial = await open.partials.open(digestOf(letter));
    partial.append(new Uint8Array(1000));
  }
  const old = Date.now() / 1000 - 8 * 24 * 3600;
  utimesSync(join(temp.path, 'repo/.onecopy/partial', `sha256-${'b'.repeat(64)}`), old, old);
  const { leftoversRemoved } = await collectGarbage(open);
  assert.equal(leftoversRemoved, 1);
  assert.deepEqual(readdirSync(join(temp.path, 'repo/.onecopy/partial')), [
    `sha256-${'a'.repeat(64)}`,
  ]);
});

test('a second opener waits until the first releases the blob, and starts anew if it was removed', async () => {
  using temp = makeTempDir();
  const { repository } = await initRepository(join(temp.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using open = repository;
  const first = await open.partials.open(digestOf('a'));
  first.append(new Uint8Array(10));
  let isOpen = false;
  const waiting = open.partials.open(digestOf('a')).finally(() => {
    isOpen = true;
  });
  await delay(200);
  assert.equal(isOpen, false);
  first.remove();
  first[Symbol.dispose]();
  using second = await waiting;
  assert.equal(second.heldBytes, 0);
});

test('waiting for a blob ends when the signal aborts', async () => {
  using temp = makeTempDir();
  const { repository } = await initRepository(join(temp.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using open = repository;
  using _first = await open.partials.open(digestOf('a'));
  const controller = new AbortController();
  const waiting = open.partials.open(digestOf('a'), { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});
