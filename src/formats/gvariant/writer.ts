import { offsetWidth } from './reader.ts';
import { alignUp, type Just, type Variant, type VariantType } from './variant-type.ts';

/**
 * Serialises a value in normal form, little-endian. The inverse of parseVariant.
 * Values come from code, not from files, so a value that does not fit its type is a bug and throws TypeError.
 * Source: OSTree spec 1.2.
 */
export function encodeVariant<T>(value: T, type: VariantType<T>): Uint8Array {
  const writer = new VariantWriter();
  writer.write(type, value);
  return writer.bytes();
}

/** Smallest width, in bytes, of an end offset for a body of `bodyBytes` and `count` offsets. */
export function chooseOffsetWidth(bodyBytes: number, count: number): number {
  for (const width of [1, 2, 4]) {
    if (offsetWidth(bodyBytes + count * width) <= width) return width;
  }
  return 8;
}

class VariantWriter {
  #buffer = Buffer.alloc(256);
  #length = 0;

  bytes(): Uint8Array {
    return new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset, this.#length).slice();
  }

  /** Appends a value; the caller has aligned the position. Containers are aligned, so offsets may count from 0. */
  write(type: VariantType, value: unknown): void {
    switch (type.kind) {
      case 's':
      case 'o':
      case 'g':
        this.#text(value as string);
        break;
      case 'v':
        this.#variant(value as Variant);
        break;
      case 'a':
        this.#array(type, value);
        break;
      case 'm':
        this.#maybe(type, value as Just<unknown> | null);
        break;
      case '(':
      case '{':
        this.#tuple(type, value as readonly unknown[]);
        break;
      default:
        this.#number(type, value);
        break;
    }
  }

  #number(type: VariantType, value: unknown): void {
    const at = this.#grow(type.fixedSizeBytes as number);
    switch (type.kind) {
      case 'y':
        this.#buffer.writeUInt8(value as number, at);
        break;
      case 'b':
        this.#buffer.writeUInt8(value === true ? 1 : 0, at);
        break;
      case 'n':
        this.#buffer.writeInt16LE(value as number, at);
        break;
      case 'q':
        this.#buffer.writeUInt16LE(value as number, at);
        break;
      case 'i':
      case 'h':
        this.#buffer.writeInt32LE(value as number, at);
        break;
      case 'u':
        this.#buffer.writeUInt32LE(value as number, at);
        break;
      case 'x':
        this.#buffer.writeBigInt64LE(value as bigint, at);
        break;
      case 't':
        this.#buffer.writeBigUInt64LE(value as bigint, at);
        break;
      default:
        this.#buffer.writeDoubleLE(value as number, at);
        break;
    }
  }

  #text(text: string): void {
    if (text.includes('\0') || !text.isWellFormed()) {
      throw new TypeError('a GVariant string is well-formed text without NUL');
    }
    this.#raw(Buffer.from(text, 'utf8'));
    this.#grow(1);
  }

  #variant({ type, value }: Variant): void {
    this.write(type, value);
    this.#grow(1);
    this.#raw(Buffer.from(type.signature, 'latin1'));
  }

  #array(type: VariantType, value: unknown): void {
    const element = type.children[0] as VariantType;
    if (element.kind === 'y') {
      this.#raw(value as Uint8Array);
      return;
    }
    const start = this.#length;
    const ends: number[] = [];
    for (const item of value as readonly unknown[]) {
      this.#pad(element.alignment);
      this.write(element, item);
      if (element.fixedSizeBytes === undefined) ends.push(this.#length - start);
    }
    this.#ends(start, ends);
  }

  #maybe(type: VariantType, value: Just<unknown> | null): void {
    if (value === null) return;
    const element = type.children[0] as VariantType;
    this.write(element, value.just);
    if (element.fixedSizeBytes === undefined) this.#grow(1);
  }

  #tuple(type: VariantType, values: readonly unknown[]): void {
    const start = this.#length;
    const ends: number[] = [];
    if (values.length !== type.children.length) {
      throw new TypeError(`${type.signature} has ${type.children.length} members`);
    }
    type.children.forEach((member, index) => {
      this.#pad(member.alignment);
      this.write(member, values[index]);
      const isLast = index === type.children.length - 1;
      if (member.fixedSizeBytes === undefined && !isLast) ends.push(this.#length - start);
    });
    if (type.fixedSizeBytes === undefined) this.#ends(start, ends.reverse());
    else this.#grow(start + type.fixedSizeBytes - this.#length);
  }

  #ends(start: number, ends: readonly number[]): void {
    if (ends.length === 0) return;
    const width = chooseOffsetWidth(this.#length - start, ends.length);
    let at = this.#grow(ends.length * width);
    for (const end of ends) {
      if (width <= 4) this.#buffer.writeUIntLE(end, at, width);
      else this.#buffer.writeBigUInt64LE(BigInt(end), at);
      at += width;
    }
  }

  #pad(alignment: number): void {
    this.#grow(alignUp(this.#length, alignment) - this.#length);
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Appends zero bytes and returns their offset. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, at));
      this.#buffer = larger;
    }
    return at;
  }
}
