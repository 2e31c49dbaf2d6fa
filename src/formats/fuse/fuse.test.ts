import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { type FuseAttributes, FuseEntries, FuseReplies, parseFuseRequest } from './index.ts';
import { IN_HEADER, OPCODE } from './layout.ts';

function request(opcode: number, body: Buffer): Buffer {
  const head = Buffer.alloc(IN_HEADER.sizeBytes);
  head.writeUInt32LE(head.length + body.length, IN_HEADER.length);
  head.writeUInt32LE(opcode, IN_HEADER.opcode);
  head.writeBigUInt64LE(77n, IN_HEADER.unique);
  head.writeBigUInt64LE(5n, IN_HEADER.nodeId);
  return Buffer.concat([head, body]);
}

function span(handle: bigint, offset: bigint, length: number): Buffer {
  const body = Buffer.alloc(40);
  body.writeBigUInt64LE(handle, 0);
  body.writeBigUInt64LE(offset, 8);
  body.writeUInt32LE(length, 16);
  return body;
}

const sized = (length: number, name = '') => {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(length, 0);
  return Buffer.concat([head, Buffer.from(name)]);
};
const init = Buffer.alloc(64);
init.writeUInt32LE(7, 0);
init.writeUInt32LE(45, 4);
init.writeUInt32LE(131072, 8);
init.writeUInt32LE(0x4040_0001, 12);
init.writeUInt32LE(0x20, 16);

const head = { unique: 77n, node: 5 };
const CASES: readonly (readonly [string, number, Buffer, object])[] = [
  ['lookup', OPCODE.lookup, Buffer.from('name\0'), { name: 'name' }],
  ['getattr', OPCODE.getattr, Buffer.alloc(16), {}],
  ['read', OPCODE.read, span(9n, 4096n, 100), { handle: 9, offset: 4096, lengthBytes: 100 }],
  ['readdirplus', OPCODE.readdirplus, span(0n, 1n, 8), { handle: 0, offset: 1, lengthBytes: 8 }],
  ['release', OPCODE.release, span(3n, 0n, 0).subarray(0, 24), { handle: 3 }],
  ['getxattr', OPCODE.getxattr, sized(64, 'user.x\0'), { lengthBytes: 64, name: 'user.x' }],
  ['listxattr', OPCODE.listxattr, sized(64), { lengthBytes: 64 }],
  ['forget', OPCODE.batchForget, Buffer.alloc(8), {}],
  [
    'init',
    OPCODE.init,
    init,
    { major: 7, minor: 45, readAheadBytes: 131072, flags: 0x4040_0001, flags2: 0x20 },
  ],
  ['other', 4242, Buffer.alloc(4), { opcode: 4242 }],
];

test('FUSE requests of every kind are parsed, and a request truncated at any byte is refused', () => {
  for (const [kind, opcode, body, expected] of CASES) {
    const whole = request(opcode, body);
    deepEqual(parseFuseRequest(whole), { ...head, kind, ...expected });
    for (let length = 0; length < whole.length; length += 1) {
      throws(
        () => parseFuseRequest(whole.subarray(0, length)),
        (error) => hasCode(error, 'FUSE_REQUEST_INVALID'),
        `${kind} of ${length} bytes`,
      );
    }
  }
});

test('a request whose stated length is too short, and a name without NUL, are refused', () => {
  for (const [kind, opcode, body] of CASES) {
    const least = { lookup: 5, read: 40, readdirplus: 40, release: 24, getxattr: 15 }[kind];
    if (least === undefined) continue;
    const cut = request(opcode, body.subarray(0, least - 1));
    throws(
      () => parseFuseRequest(cut),
      (error) => hasCode(error, 'FUSE_REQUEST_INVALID'),
      kind,
    );
  }
  const lying = request(OPCODE.getattr, Buffer.alloc(16));
  lying.writeUInt32LE(39, IN_HEADER.length);
  throws(
    () => parseFuseRequest(lying),
    (error) => hasCode(error, 'FUSE_REQUEST_INVALID'),
  );
});

const ATTRIBUTES: FuseAttributes = {
  node: 2 ** 40 + 7,
  sizeBytes: 5_000_000_001,
  mode: 0o104755,
  nlink: 2,
  uid: 1000,
  gid: 4_000_000_000,
  rdev: 0,
  mtimeSec: -3n,
  mtimeNsec: 5,
};

test('encoded attributes have the layout of struct fuse_attr_out', () => {
  const reply = new FuseReplies(4096).attributes(9n, ATTRIBUTES);
  equal(reply.length, 16 + 104);
  equal(reply.readUInt32LE(0), reply.length);
  equal(reply.readInt32LE(4), 0);
  equal(reply.readBigUInt64LE(8), 9n);
  const attributes = reply.subarray(32);
  equal(attributes.readBigUInt64LE(0), 2n ** 40n + 7n);
  equal(attributes.readBigUInt64LE(8), 5_000_000_001n);
  equal(attributes.readBigUInt64LE(16), 9_765_626n);
  for (const at of [24, 32, 40]) equal(attributes.readBigInt64LE(at), -3n);
  for (const at of [48, 52, 56]) equal(attributes.readUInt32LE(at), 5);
  deepEqual(
    [60, 64, 68, 72, 76, 80].map((at) => attributes.readUInt32LE(at)),
    [0o104755, 2, 1000, 4_000_000_000, 0, 4096],
  );
});

test('an error reply has a negative errno, and a getxattr size reply has the length', () => {
  const replies = new FuseReplies(4096);
  equal(replies.status(1n, 34).readInt32LE(4), -34);
  equal(replies.xattrLength(1n, 300).readUInt32LE(16), 300);
  equal(replies.noEntry(1n).readBigUInt64LE(16), 0n);
});

test('directory entries are padded, contain their names, and stop at the end of the buffer', () => {
  const room = Buffer.alloc(400, 0xff);
  const out = new FuseEntries(room);
  const entry = { name: 'abc' as ByteString, node: 12, mode: 0o040755, next: 70_000 };
  ok(out.add(entry, 'plain'));
  equal(out.lengthBytes, 32);
  equal(room.readBigUInt64LE(0), 12n);
  equal(room.readBigUInt64LE(8), 70_000n);
  equal(room.readUInt32LE(16), 3);
  equal(room.readUInt32LE(20), 4);
  equal(room.toString('latin1', 24, 32), 'abc\0\0\0\0\0');
  ok(out.add(entry, ATTRIBUTES));
  equal(out.lengthBytes, 32 + 160);
  equal(room.readBigUInt64LE(32), BigInt(ATTRIBUTES.node));
  ok(out.add(entry, undefined));
  equal(room.readBigUInt64LE(192), 0n);
  equal(out.add(entry, ATTRIBUTES), false);
  equal(out.lengthBytes, 352);
});

test('the init reply requests only flags that the kernel offers', () => {
  const replies = new FuseReplies(4096);
  const settings = { minor: 31, readAheadBytes: 4096, pagesMax: 256, passthrough: true };
  const none = replies.init(1n, { ...settings, offered: { flags: 0, flags2: 0xff } });
  equal(none.readUInt32LE(16 + 4), 31);
  equal(none.readUInt32LE(16 + 12), 0);
  equal(none.readUInt32LE(16 + 32), 0);
  const all = replies.init(1n, { ...settings, offered: { flags: 0xffff_ffff, flags2: 0xff } });
  equal(all.readUInt32LE(16 + 32), 0x20);
  equal(all.readUInt32LE(16 + 36), 1);
  const plain = replies.init(1n, {
    ...settings,
    passthrough: false,
    offered: { flags: 0xffff_ffff, flags2: 0xff },
  });
  equal(plain.readUInt32LE(16 + 12) & (1 << 30), 0);
});
