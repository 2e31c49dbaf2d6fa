import { deepEqual, equal, ok } from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SplitstreamWriter } from '#formats/splitstream';
import { CHANGE_STAMP_BYTES } from '#host';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { collectGarbage, initRepository, planGc, type Repository } from '../index.ts';
import { GC_RECORD_NAME } from '../layout.ts';
import { isSettled, keptSinceRecord, recordNoGarbage } from './gc-record.ts';

/** Objects that the records of these tests claim: no true count. */
const CLAIMED = 4711;
/** Longer than the time of a change is kept at its coarsest on the filesystems of tests. */
const TICK_MS = 20;

/** A repository with one tagged stream of one object, and no garbage. */
async function withCleanRepository(
  work: (repository: Repository, path: string) => void | Promise<void>,
): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await addStream(open, 'kept');
  await work(open, path);
}

async function addStream(repository: Repository, name: string): Promise<void> {
  const { algorithm } = repository;
  const content = Buffer.from(name.padEnd(100, '.'));
  const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
  writer.writeExternal(repository.objects.ensureBytes(content).id, content.length);
  const { id } = repository.objects.ensureBytes(await writer.finish());
  repository.streams.register(name, id, { ref: `deep/er/${name}` });
}

/** As if everything had come to rest a while ago. */
function recordAsSettled({ root }: Repository): void {
  recordNoGarbage(root, CLAIMED, Date.now() / 1000 + 10);
}

test('what is recorded is believed until a name comes or goes', () =>
  withCleanRepository(async (repository, path) => {
    const changes: readonly [what: string, change: () => void | Promise<void>][] = [
      ['an object', () => void repository.objects.ensureBytes(Buffer.alloc(70, 7))],
      ['a stream', () => addStream(repository, 'other')],
      ['a tag taken away', () => rmSync(join(path, 'streams/refs/deep/er/other'))],
      ['a stream taken away', () => rmSync(join(path, 'streams/other'))],
      [
        'a directory of references',
        () => mkdirSync(join(path, 'images/refs/new'), { recursive: true }),
      ],
      ['an image', () => symlinkSync('../../nowhere', join(path, 'images/refs/new/one'))],
      ['a lost directory', () => rmSync(join(path, 'images'), { recursive: true })],
    ];
    for (const [what, change] of changes) {
      recordAsSettled(repository);
      equal(keptSinceRecord(repository.root), CLAIMED, `before ${what}`);
      await sleep(TICK_MS);
      await change();
      equal(keptSinceRecord(repository.root), undefined, what);
    }
  }));

test('gc looks at nothing else when nothing has changed, and properly when something has', () =>
  withCleanRepository(async (repository) => {
    recordAsSettled(repository);
    const { keptObjects, objects } = await planGc(repository);
    deepEqual({ keptObjects, objects }, { keptObjects: CLAIMED, objects: [] });
    await sleep(TICK_MS);
    repository.objects.ensureBytes(Buffer.alloc(80, 8));
    equal((await collectGarbage(repository)).objectsRemoved, 1);
    equal((await planGc(repository)).keptObjects, 2);
  }));

test('what is younger than the coarsest clock is not recorded', () =>
  withCleanRepository(async (repository, path) => {
    const nowSeconds = Date.now() / 1000;
    await addStream(repository, 'other');
    recordNoGarbage(repository.root, CLAIMED, nowSeconds);
    ok(repository.root.lstat(GC_RECORD_NAME) === undefined);
    await sleep(200);
    await planGc(repository);
    ok(repository.root.lstat(GC_RECORD_NAME) === undefined, 'a plan writes nothing');
    equal((await collectGarbage(repository)).objectsRemoved, 0);
    equal(keptSinceRecord(repository.root), 4);
    rmSync(join(path, 'streams/refs/deep/er/kept'));
    equal((await collectGarbage(repository)).objectsRemoved, 2);
    equal(keptSinceRecord(repository.root), undefined);
  }));

test('a filesystem that keeps seconds alone has to rest longer', () => {
  const stamps = (...times: readonly (readonly [sec: number, nsec: number])[]) => {
    const all = Buffer.alloc(times.length * CHANGE_STAMP_BYTES);
    for (const [index, [sec, nsec]] of times.entries()) {
      all.writeBigInt64LE(BigInt(sec), index * CHANGE_STAMP_BYTES + 8);
      all.writeUInt32LE(nsec, index * CHANGE_STAMP_BYTES + 16);
    }
    return all;
  };
  const nanoseconds = stamps([100, 5], [50, 0]);
  equal(isSettled(nanoseconds, 100.2), true);
  equal(isSettled(nanoseconds, 100.05), false);
  const seconds = stamps([50, 0], [100, 0]);
  equal(isSettled(seconds, 102.1), true);
  equal(isSettled(seconds, 101.9), false);
  equal(isSettled(stamps([100, 900_000_000]), 100.95), false);
});

test('given roots are looked for, and what a crash left beside the objects is found, whatever the record says', () =>
  withCleanRepository(async (repository, path) => {
    recordAsSettled(repository);
    equal((await planGc(repository, { roots: ['kept'] })).keptObjects, 2);
    writeFileSync(join(path, '.tmp-object-1'), '');
    const { keptObjects, leftovers } = await planGc(repository);
    deepEqual([keptObjects, leftovers], [CLAIMED, ['.tmp-object-1']]);
    equal((await collectGarbage(repository)).leftoversRemoved, 1);
  }));

test('a record that is cut or altered anywhere is passed over', () =>
  withCleanRepository((repository, path) => {
    recordAsSettled(repository);
    const file = join(path, GC_RECORD_NAME);
    const whole = readFileSync(file);
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(file, whole.subarray(0, length));
      equal(keptSinceRecord(repository.root), undefined, `cut to ${length} bytes`);
    }
    const count = whole.indexOf(`${CLAIMED}`);
    // Stamps are looked at one like the other: every byte of the heading, and here and there one of theirs.
    for (let at = 0; at < whole.length; at += at < whole.indexOf('\n') + 48 ? 1 : 41) {
      if (at >= count && at < count + 4) continue;
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] as number) ^ 0x11;
      writeFileSync(file, altered);
      equal(keptSinceRecord(repository.root), undefined, `byte ${at} altered`);
    }
  }));

test('what is no file in the place of the record hinders nobody', () =>
  withCleanRepository(async (repository, path) => {
    const file = join(path, GC_RECORD_NAME);
    for (const make of [() => mkdirSync(file), () => symlinkSync('/etc/passwd', file)]) {
      make();
      recordAsSettled(repository);
      equal(keptSinceRecord(repository.root), undefined);
      equal((await collectGarbage(repository)).objectsRemoved, 0);
      rmSync(file, { recursive: true });
    }
  }));
