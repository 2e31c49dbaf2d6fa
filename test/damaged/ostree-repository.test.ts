/**
 * Every kind of object of a good OSTree repository of every mode, damaged in every way that a disk or a neighbour can: a pull is refused
 * with a code of ours and publishes nothing, or its result is the one of the good repository.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { type ErrorCode, isOnecopyError } from '#base/errors';
import { isLinkMode, ostreeObjectPath, walkCommit } from '#formats/ostree';
import { checkRepository } from '#stores/composefs';
import { openCommit } from '#work/commits';
import { pullCommit } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { cases, sampled } from '../support/long-form.ts';
import { type OstreeFixture, unpackOstree } from '../support/ostree-fixture.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';

const MODES = ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'] as const;
type Mode = (typeof MODES)[number];

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini');
});
after(() => fixture[Symbol.dispose]());

/** One damage; `false` when it does not apply to what is there. */
type Damage = (path: string, other: string) => boolean | undefined;

const edit = (change: (bytes: Buffer) => Buffer | undefined): Damage => {
  return (path) => {
    if (!lstatSync(path).isFile()) return false;
    const changed = change(readFileSync(path));
    if (changed === undefined) return false;
    // In place, so that owner, mode and xattrs stay.
    writeFileSync(path, changed);
    return true;
  };
};
const flip = (at: (length: number) => number) =>
  edit((bytes) => {
    const index = at(bytes.length);
    if (bytes.length === 0) return undefined;
    bytes.writeUInt8((bytes[index] ?? 0) ^ 0x55, index);
    return bytes;
  });
const replace = (make: (path: string, other: string) => void): Damage => {
  return (path, other) => {
    rmSync(path);
    make(path, other);
    return true;
  };
};
const tool =
  (name: string, ...args: readonly string[]): Damage =>
  (path) => {
    if (!lstatSync(path).isFile()) return false;
    execFileSync(name, [...args, path], { stdio: 'pipe' });
    return true;
  };

const DAMAGES: Readonly<Record<string, Damage>> = {
  gone: replace(() => {}),
  empty: edit((bytes) => (bytes.length === 0 ? undefined : Buffer.alloc(0))),
  'one byte': edit((bytes) => (bytes.length < 2 ? undefined : bytes.subarray(0, 1))),
  'cut in half': edit((bytes) =>
    bytes.length < 2 ? undefined : bytes.subarray(0, bytes.length >> 1),
  ),
  'cut by one': edit((bytes) => (bytes.length === 0 ? undefined : bytes.subarray(0, -1))),
  'one byte more': edit((bytes) => Buffer.concat([bytes, Buffer.from('x')])),
  'a zero more': edit((bytes) => Buffer.concat([bytes, Buffer.alloc(1)])),
  'twice as long': edit((bytes) =>
    bytes.length === 0 ? undefined : Buffer.concat([bytes, bytes]),
  ),
  'first byte flipped': flip(() => 0),
  'fourth byte flipped': flip((length) => Math.min(3, length - 1)),
  'ninth byte flipped': flip((length) => Math.min(8, length - 1)),
  'middle flipped': flip((length) => length >> 1),
  'last byte flipped': flip((length) => length - 1),
  'all zeros': edit((bytes) => (bytes.length === 0 ? undefined : Buffer.alloc(bytes.length))),
  'another object': edit(() => Buffer.from('\0')),
  'a terabyte of nothing': (path) => {
    if (!lstatSync(path).isFile()) return false;
    // Metadata alone: content of this size would be hashed for hours, as it must.
    if (!/\.(?:commit|dirtree|dirmeta)$/.test(path)) return false;
    truncateSync(path, 2 ** 40);
    return true;
  },
  'a directory': replace((path) => mkdirSync(path)),
  'a pipe': replace((path) => execFileSync('mkfifo', [path])),
  'a device': replace((path) => execFileSync('mknod', [path, 'c', '1', '5'])),
  'a link to itself': replace((path) => symlinkSync(path, path)),
  'a link to nothing': replace((path) => symlinkSync('/nowhere', path)),
  'a link to another object': replace((path, other) => symlinkSync(other, path)),
  'a link to a device': replace((path) => symlinkSync('/dev/zero', path)),
  'a link that is not UTF-8': (path) => {
    rmSync(path);
    symlinkSync(Buffer.from('caf\xe9', 'latin1'), path);
    return true;
  },
  'not UTF-8': edit(() => Buffer.from('caf\xe9\0', 'latin1')),
  'another link': (path) => {
    if (!lstatSync(path).isSymbolicLink()) return false;
    const target = readlinkSync(path);
    rmSync(path);
    symlinkSync(`${target}x`, path);
    return true;
  },
  'other permissions': (path) => {
    if (!lstatSync(path).isFile()) return false;
    chmodSync(path, 0o4711);
    return true;
  },
  'another owner': (path) => {
    if (!lstatSync(path).isFile()) return false;
    chownSync(path, 4242, 4243);
    return true;
  },
  'one xattr more': tool('setfattr', '-n', 'user.zzz', '-v', 'x'),
  'no ostreemeta': (path) => {
    if (!lstatSync(path).isFile()) return false;
    try {
      execFileSync('setfattr', ['-x', 'user.ostreemeta', path], { stdio: 'pipe' });
      return true;
    } catch {
      return false;
    }
  },
  'empty ostreemeta': tool('setfattr', '-n', 'user.ostreemeta', '-v', ''),
  'short ostreemeta': tool('setfattr', '-n', 'user.ostreemeta', '-v', '0x00000000'),
  'other ostreemeta': tool('setfattr', '-n', 'user.ostreemeta', '-v', '0x0000000000000000000081ed'),
  'ostreemeta of a link': tool(
    'setfattr',
    '-n',
    'user.ostreemeta',
    '-v',
    '0x00000000000000000000a1ff',
  ),
  'ostreemeta of a device': tool(
    'setfattr',
    '-n',
    'user.ostreemeta',
    '-v',
    '0x0000000000000000000021ff',
  ),
};

/** Codes that may say what is wrong; anything else (a failed system call above all) is a finding of this test. */
const CODES: readonly ErrorCode[] = [
  'GVARIANT_NOT_NORMAL',
  'OSTREE_CHECKSUM_LENGTH',
  'OSTREE_CHECKSUM_MISMATCH',
  'OSTREE_FILE_TYPE_INVALID',
  'OSTREE_HEADER_INVALID',
  'OSTREE_METADATA_INVALID',
  'OSTREE_METADATA_TOO_LARGE',
  'OSTREE_MODE_INVALID',
  'OSTREE_OBJECT_MISSING',
  'OSTREE_PAYLOAD_INVALID',
  'OSTREE_XATTR_INVALID',
];

/** What a pull of the good repository gives, and an object of every kind in it, by path. */
async function lookAt(path: string, mode: Mode) {
  using temp = await makeTempRepository();
  const good = await pullCommit(temp.repository, { kind: 'local', path }, 'test/v1', {
    workers: 0,
  });
  const { objects } = openCommit(temp.repository, 'test/v1');
  const found = new Map<string, string>();
  const add = (label: string, object: string) => {
    if (!found.has(label)) found.set(label, object);
  };
  const lookup = (checksum: OstreeChecksum) => objects.find(checksum)?.data;
  for (const { kind, checksum } of walkCommit(good.commit, lookup)) {
    const object = ostreeObjectPath(checksum, kind, mode === 'archive');
    if (kind !== 'file') {
      add(kind, object);
      continue;
    }
    const { header } = objects.file(checksum);
    if (isLinkMode(header.mode)) add('link', object);
    else if (header.xattrs.length > 0) add('file with xattrs', object);
    else if (header.sizeBytes === 0) add('empty file', object);
    else add(header.sizeBytes > 4096 ? 'large file' : 'small file', object);
    if (mode === 'bare-split-xattrs' && header.xattrs.length > 0) {
      add('xattrs', ostreeObjectPath(checksum, 'file-xattrs-link'));
    }
  }
  return { good, found };
}

for (const mode of MODES) {
  test(`all damage to objects of a ${mode} repository is detected`, async (t) => {
    // Owners, xattrs and devices.
    if (!needs(t, 'root')) return;
    const source = join(fixture.path, `fxmini/r-${mode}`);
    const { good, found } = await lookAt(source, mode);
    const kinds = mode === 'bare-user-only' ? 7 : 8;
    assert.ok(found.size >= kinds, [...found.keys()].join(', '));
    const other = join(source, found.get('commit') ?? '');
    let refused = 0;
    for (const [kind, object] of found) {
      const path = join(source, object);
      const kept = join(fixture.path, 'kept');
      execFileSync('cp', ['-a', path, kept]);
      for (const [name, damage] of sampled(Object.entries(DAMAGES), 4)) {
        if (damage(path, other) === false) continue;
        const label = `${mode}: ${kind}: ${name}`;
        using temp = await makeTempRepository();
        const from = { kind: 'local', path: source } as const;
        const pulled = await pullCommit(temp.repository, from, 'test/v1', { workers: 0 }).catch(
          (error: unknown) => {
            assert.ok(isOnecopyError(error), `${label}: ${String(error)}`);
            assert.ok(CODES.includes(error.code), `${label}: ${error.code}: ${error.message}`);
            return undefined;
          },
        );
        if (pulled === undefined) {
          refused++;
          assert.deepEqual(temp.repository.refs.list('streams'), [], label);
          assert.deepEqual([...temp.repository.streams.list()], [], label);
        } else {
          assert.equal(pulled.imageId, good.imageId, `${label}: accepted, and another image`);
        }
        const { findings } = await checkRepository(temp.repository);
        assert.deepEqual(findings, [], label);
        rmSync(path, { recursive: true, force: true });
        execFileSync('cp', ['-a', kept, path]);
      }
      rmSync(kept);
    }
    assert.ok(refused > cases(15, 100), `${refused} refusals`);
  });
}
