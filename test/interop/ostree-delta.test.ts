import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { readerOf } from '#base/flow';
import {
  applyDeltaPart,
  type DeltaTarget,
  inflateContent,
  inlinePartOf,
  ostreeObjectPath,
  parseDelta,
  parseDeltaPart,
  parseFilez,
  walkCommit,
} from '#formats/ostree';
import { applyDeltaFile, planDeltaFile } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Bytes that do not compress, the same for the same seed. */
function noise(seed: string, lengthBytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at * 32 < lengthBytes; at++) {
    blocks.push(createHash('sha256').update(`${seed} ${at}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}

/** A tree whose second version has changes at the start, in the middle and at the end of files. */
function writeTree(folder: string, version: 1 | 2): void {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  for (let at = 0; at < 12; at++) {
    const content = noise(`file ${at}`, 50_000 + at * 997);
    if (version === 2 && at % 3 === 0) {
      const changed = [0, 25_000, content.length - 1][(at / 3) % 3] ?? 0;
      content.writeUInt8(content.readUInt8(changed) ^ 1, changed);
    }
    writeFileSync(join(folder, 'sub', `file-${at}.bin`), content);
  }
  writeFileSync(join(folder, 'text'), 'line of a text\n'.repeat(version * 5000));
  writeFileSync(join(folder, `only-in-${version}`), noise('only', 70_000));
}

/** Everything an archive repository and a delta produce, in memory. */
class Objects implements DeltaTarget {
  readonly files = new Map<OstreeChecksum, Uint8Array>();
  readonly metadata = new Map<OstreeChecksum, Uint8Array>();
  readonly #repository: string;

  constructor(repository: string) {
    this.#repository = repository;
  }

  openSource(checksum: OstreeChecksum) {
    const path = join(this.#repository, ostreeObjectPath(checksum, 'file', true));
    const { header, payload } = parseFilez(new Uint8Array(readFileSync(path)));
    return readerOf(inflateContent(header, payload));
  }

  beginFile(checksum: OstreeChecksum) {
    const pieces: Buffer[] = [];
    return {
      write: (piece: Uint8Array) => void pieces.push(Buffer.from(piece)),
      commit: () => void this.files.set(checksum, Buffer.concat(pieces)),
      discard: () => assert.fail('nothing is thrown away'),
    };
  }

  putMetadata(_kind: string, checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.metadata.set(checksum, new Uint8Array(bytes));
  }
}

test('commits pulled by deltas of ostree, from nothing and from a commit, are complete', (context) => {
  if (!needs(context, 'tool:ostree')) return;
  using temp = makeTempDir();
  const repository = join(temp.path, 'repo');
  const ostree = (...args: string[]): string =>
    execFileSync('ostree', [`--repo=${repository}`, ...args], { stdio: 'pipe' })
      .toString()
      .trim();
  ostree('init', '--mode=archive');
  const commits = ([1, 2] as const).map((version) => {
    writeTree(join(temp.path, `v${version}`), version);
    return ostree('commit', '-b', 't', `--tree=dir=${join(temp.path, `v${version}`)}`);
  });
  const [from, to] = commits as [OstreeChecksum, OstreeChecksum];
  const make = (name: string, ...args: string[]): Uint8Array => {
    const file = join(temp.path, name);
    const common = ['--min-fallback-size=0', '--inline', `--to=${to}`, `--filename=${file}`];
    ostree('static-delta', 'generate', ...common, ...args);
    return new Uint8Array(readFileSync(file));
  };
  const scratch = apply(make('scratch', '--empty', '--max-chunk-size=1'), repository);
  const reached = [...walkCommit(to, (checksum) => scratch.metadata.get(checksum))];
  assert.ok(
    reached.every(({ kind, checksum, isMissing }) =>
      kind === 'file' ? scratch.files.has(checksum) : !isMissing,
    ),
  );
  for (const options of [[], ['--max-bsdiff-size=0'], ['--swap-endianness']]) {
    const objects = apply(make('delta', `--from=${from}`, ...options), repository);
    for (const [checksum, content] of objects.files) {
      assert.deepEqual(content, scratch.files.get(checksum));
    }
    assert.ok(objects.files.size >= 5);
  }
});

function apply(delta: Uint8Array, repository: string): Objects {
  const { superblock } = parseDelta(delta);
  const objects = new Objects(repository);
  for (const info of superblock.parts) {
    const part = inlinePartOf(superblock, info.index);
    assert.ok(part);
    applyDeltaPart(parseDeltaPart(part, info), info, objects);
  }
  objects.putMetadata('commit', superblock.to, superblock.commitBytes);
  return objects;
}

test('a delta with missing fallback objects is refused before anything is stored, and by a dry run', async (t) => {
  if (!needs(t, 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  const ostree = (...args: string[]): Buffer =>
    execFileSync('ostree', [`--repo=${path}/source`, ...args], { stdio: 'pipe' });
  ostree('init', '--mode=archive');
  mkdirSync(`${path}/tree`);
  writeFileSync(`${path}/tree/small`, 'small');
  writeFileSync(`${path}/tree/large`, noise('large', 3_000_000));
  ostree('commit', '-b', 'x', `--tree=dir=${path}/tree`);
  const delta = ['--empty', '--to=x', '--min-fallback-size=1', '--inline'];
  ostree('static-delta', 'generate', ...delta, `--filename=${path}/delta`);
  const { missing } = await planDeltaFile(repository, `${path}/delta`);
  assert.equal(missing.length, 1);
  await assert.rejects(applyDeltaFile(repository, `${path}/delta`), (error: unknown) => {
    assert.ok(isOnecopyError(error) && hasCode(error, 'OSTREE_OBJECT_MISSING'));
    assert.deepEqual(error.details['missing'], missing);
    return true;
  });
  assert.deepEqual([...repository.objects.list()], []);
});
