import type { ObjectId } from '#base/digest';
import { objectIdBytes, objectIdOf } from '#formats/fsverity';
import type { DirectTarHash } from './tar-hash.ts';

/*
 * What a hashing thread gets: records that follow each other, little-endian.
 *
 *     bytes: length u32, the bytes;   object: 2^32 - 1 u32, length of the id u32, the id
 */
const HEAD_BYTES = 4;
const OBJECT = 0xffff_ffff;

/** Room that an order of so many bytes takes, at most. */
export function orderBytes(lengthBytes: number): number {
  return 2 * HEAD_BYTES + lengthBytes;
}

/** Writes an order for bytes; returns the offset behind it. */
export function putBytes(into: Buffer, at: number, bytes: Uint8Array): number {
  into.writeUInt32LE(bytes.length, at);
  into.set(bytes, at + HEAD_BYTES);
  return at + HEAD_BYTES + bytes.length;
}

/** Writes an order for an object; returns the offset behind it. */
export function putObject(into: Buffer, at: number, id: ObjectId): number {
  const bytes = objectIdBytes(id);
  into.writeUInt32LE(OBJECT, at);
  return putBytes(into, at + HEAD_BYTES, bytes);
}

/** One order, as a view. */
interface Order {
  readonly isObject: boolean;
  readonly bytes: Buffer;
  readonly end: number;
}

function orderAt(orders: Buffer, at: number): Order {
  const isObject = orders.readUInt32LE(at) === OBJECT;
  const start = isObject ? at + HEAD_BYTES : at;
  const end = start + HEAD_BYTES + orders.readUInt32LE(start);
  return { isObject, bytes: orders.subarray(start + HEAD_BYTES, end), end };
}

/** Carries out orders, until they are no longer wanted; objects are announced ahead of their turn. @throws as `TarHash.object` */
export function followOrders(
  orders: Uint8Array,
  hash: DirectTarHash,
  isCancelled: () => boolean,
): void {
  const view = Buffer.from(orders.buffer, orders.byteOffset, orders.length);
  let ahead = 0;
  for (let at = 0; at < view.length && !isCancelled(); ) {
    while (ahead < view.length) {
      const { isObject, bytes, end } = orderAt(view, ahead);
      if (isObject && !hash.announce(objectIdOf(bytes))) break;
      ahead = end;
    }
    const { isObject, bytes, end } = orderAt(view, at);
    if (isObject) hash.object(objectIdOf(bytes));
    else hash.bytes(bytes);
    at = end;
  }
}
