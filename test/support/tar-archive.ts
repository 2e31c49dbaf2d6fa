import { Buffer } from 'node:buffer';

/** A member to put into a test archive. */
export interface TestMember {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** Type flag; `0` (a file) when absent. */
  readonly flag?: string;
  readonly link?: string;
  /** Permission bits; 0644 when absent. */
  readonly mode?: number;
  /** 0 when absent, as is `gid`. */
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970; 0 when absent. */
  readonly mtime?: number;
  /** Size as stated in the header, where it must differ from the content. */
  readonly statedSize?: number;
}

/** A ustar header with a right checksum. */
export function testTarHeader(member: TestMember): Buffer {
  const content = Buffer.from(member.content ?? '');
  const header = Buffer.alloc(512);
  header.write(member.name, 0, 100, 'latin1');
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  const { mode = 0o644, uid = 0, gid = 0, mtime = 0 } = member;
  header.write([mode, uid, gid].map((value) => octal(value, 7)).join(''), 100, 'latin1');
  header.write(octal(member.statedSize ?? content.length, 11), 124);
  header.write(octal(mtime, 11), 136);
  header.write(member.flag ?? '0', 156);
  header.write(member.link ?? '', 157, 100, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  return withTestChecksum(header);
}

/** Writes the checksum of a header into it. */
export function withTestChecksum(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** A whole archive of these members, ended by two zero blocks. */
export function testTar(members: readonly TestMember[]): Buffer {
  const parts: Buffer[] = [];
  for (const member of members) {
    const content = Buffer.from(member.content ?? '');
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    parts.push(testTarHeader(member), content, padding);
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** One PAX record. */
export function testPaxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest) + 1;
  while (`${length}${rest}`.length !== length && length < 1e6) length += 1;
  return `${length}${rest}`;
}
