import { type ByteString, bytesOf } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { MetadataRow } from './dumpfile-fields.ts';
import { PATH_LIMIT } from './dumpfile-layout.ts';
import type { DumpLine } from './dumpfile-line.ts';
import type { Leaf, LeafIndex, Stat } from './model.ts';

const NO_ID = '' as ObjectId;
const EMPTY = new Uint8Array(0);

/** Positions in a line: start and end of PAYLOAD, end of CONTENT, end of DIGEST. */
export type ContentEnds = readonly [
  payloadFrom: number,
  payloadEnd: number,
  contentEnd: number,
  digestEnd: number,
];

/** Decodes PAYLOAD, CONTENT and DIGEST into leaves, by the rules of a dialect. Source: core spec 4.2, 4.5 */
export class LeafReader {
  readonly #line: DumpLine;
  /** Payloads that are not the object path of their id; filled in the C dialect. */
  readonly #payloads: Map<LeafIndex, ByteString | undefined>;
  #index = 0;

  constructor(line: DumpLine, payloads: Map<LeafIndex, ByteString | undefined>) {
    this.#line = line;
    this.#payloads = payloads;
  }

  /** Decodes the leaf of a line; `index` is its future leaf index. */
  read(index: LeafIndex, row: MetadataRow, stat: Stat, size: number, ends: ContentEnds): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const { kind } = row;
    this.#index = index;
    if (kind === 'regular') return this.#regular(stat, size, ends);
    if (!this.#line.rules.lenient) this.refuseContent(payloadEnd + 1, contentEnd, digestEnd);
    else this.matchContent(size, payloadEnd + 1, contentEnd);
    if (kind === 'chr' || kind === 'blk') return { kind, stat, rdev: row.rdev };
    if (kind === 'fifo' || kind === 'socket') return { kind, stat };
    if (this.#line.isDash(payloadFrom, payloadEnd))
      throw this.#line.error('a symlink needs PAYLOAD');
    let target = this.#line.unescape(payloadFrom, payloadEnd);
    target = this.#line.cutAtNul(target, 'PAYLOAD');
    if (target === '') throw this.#line.error('the target of a symlink is empty');
    if (target.length > this.#line.rules.symlinkLimit) {
      throw this.#line.error(`symlink target of ${target.length} bytes is too long`);
    }
    return { kind: 'symlink', stat, target };
  }

  /** As in C: ignores CONTENT for kinds of entry without content, but compares its length with SIZE. */
  matchContent(size: number, contentFrom: number, contentEnd: number): void {
    if (this.#line.isDash(contentFrom, contentEnd)) return;
    this.#matchSize(this.#line.unescape(contentFrom, contentEnd).length, size);
  }

  /** Refuses CONTENT and DIGEST for kinds of entry without them. */
  refuseContent(contentFrom: number, contentEnd: number, digestEnd: number): void {
    if (!this.#line.isDash(contentFrom, contentEnd))
      throw this.#line.error('this kind of entry has no CONTENT');
    if (!this.#line.isDash(contentEnd + 1, digestEnd))
      throw this.#line.error('this kind of entry has no DIGEST');
  }

  #regular(stat: Stat, size: number, ends: ContentEnds): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const contentFrom = payloadEnd + 1;
    const hasPayload = !this.#line.isDash(payloadFrom, payloadEnd);
    const hasContent = !this.#line.isDash(contentFrom, contentEnd);
    const hasDigest = !this.#line.isDash(contentEnd + 1, digestEnd);
    if (this.#line.rules.lenient) {
      if (size === 0 && !hasContent) return { kind: 'inline', stat, content: EMPTY };
      if (hasContent) return this.#inline(stat, size, contentFrom, contentEnd);
      if (hasPayload || hasDigest) {
        return this.#externalInC(stat, size, hasPayload ? ends : [0, 0, contentEnd, digestEnd]);
      }
      return { kind: 'sparse', stat, sizeBytes: size };
    }
    if (hasPayload) return this.#external(stat, size, ends);
    if (hasDigest) throw this.#line.error('DIGEST without PAYLOAD');
    if (hasContent || size === 0) return this.#inline(stat, size, contentFrom, contentEnd);
    return { kind: 'sparse', stat, sizeBytes: size };
  }

  #inline(stat: Stat, size: number, from: number, end: number): Leaf {
    if (this.#line.isDash(from, end)) return { kind: 'inline', stat, content: EMPTY };
    const content = this.#line.unescape(from, end);
    if (content.length > this.#line.rules.inlineLimit) {
      throw this.#line.error(
        `content of ${content.length} bytes is above ${this.#line.rules.inlineLimit}`,
      );
    }
    if (this.#line.rules.lenient) this.#matchSize(content.length, size);
    else if (content.length === 0 && size > 0) return { kind: 'sparse', stat, sizeBytes: size };
    return { kind: 'inline', stat, content: bytesOf(content) };
  }

  #external(stat: Stat, size: number, ends: ContentEnds): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const payload = this.#line.unescape(payloadFrom, payloadEnd);
    if (payload === '' || payload.length > PATH_LIMIT)
      throw this.#line.error('invalid length of PAYLOAD');
    this.#line.cutAtNul(payload, 'PAYLOAD');
    if (this.#line.isDash(contentEnd + 1, digestEnd)) {
      const id = objectPathTail(payload, this.#line.digestLength);
      if (id === undefined) throw this.#line.error('PAYLOAD is not an object path');
      return { kind: 'externalNoVerity', stat, id, sizeBytes: size };
    }
    const id = this.#line.digest(contentEnd + 1, digestEnd);
    return { kind: 'external', stat, id, sizeBytes: size };
  }

  /** C keeps PAYLOAD unchanged and reads 64 characters of DIGEST; it completes a shorter DIGEST from stale memory. */
  #externalInC(stat: Stat, size: number, ends: ContentEnds): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const index = this.#index;
    const line = this.#line;
    const digestFrom = contentEnd + 1;
    if (!line.isDash(digestFrom, digestEnd)) {
      const id = line.digest(digestFrom, Math.min(digestEnd, digestFrom + line.digestLength));
      if (!line.isObjectPath(payloadFrom, payloadEnd, digestFrom)) {
        this.#payloads.set(index, this.#payload(payloadFrom, payloadEnd));
      }
      return { kind: 'external', stat, id, sizeBytes: size };
    }
    const payload = this.#payload(payloadFrom, payloadEnd);
    const id = objectPathTail(payload ?? '', line.digestLength);
    if (id === undefined || payload !== `${id.slice(0, 2)}/${id.slice(2)}`) {
      this.#payloads.set(index, payload);
    }
    return { kind: 'externalNoVerity', stat, id: id ?? NO_ID, sizeBytes: size };
  }

  #payload(from: number, end: number): ByteString | undefined {
    if (end === 0) return undefined;
    return this.#line.cutAtNul(this.#line.unescape(from, end), 'PAYLOAD');
  }

  #matchSize(found: number, size: number): void {
    if (found !== size)
      throw this.#line.error(`content of ${found} bytes does not match SIZE ${size}`);
  }
}

/** Parses the object id at the end of a path, ignoring case; undefined when there is none. Source: core spec 1.3 */
function objectPathTail(path: string, length: number): ObjectId | undefined {
  const match = /([0-9a-fA-F]{2})\/([0-9a-fA-F]+)$/.exec(path.slice(-(length + 1)));
  const id = match === null ? '' : `${match[1]}${match[2]}`;
  return id.length === length ? (id.toLowerCase() as ObjectId) : undefined;
}
