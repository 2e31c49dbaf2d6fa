import { type ByteString, byteStringFromText } from '#base/bytes';
import type { RandomReader } from '#base/flow';
import { failTar } from './fault.ts';
import {
  ARCHIVE_LINKS_MAX,
  ARCHIVE_MEMBERS_MAX,
  EXTENSION_BYTES_MAX,
  TAR_BLOCK_BYTES,
  TYPE_FLAG,
} from './layout.ts';
import { parseTarMemberHeader, readTarBlockHead, type TarMemberHeader } from './member-header.ts';

/** Location of a member's payload in the archive. */
export interface MemberRange {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

type Member =
  | ({ readonly kind: 'file' } & MemberRange)
  | { readonly kind: 'link'; readonly target: string };

/** Most bytes of the headers of one member: each kind of extension once, and the blocks. */
const HEADERS_BYTES_MAX = 4 * EXTENSION_BYTES_MAX;

/** The members of a tar by name (without `./`). Only headers are read; payloads are skipped. */
export class ArchiveIndex {
  readonly #members: ReadonlyMap<string, Member>;

  constructor(members: ReadonlyMap<string, Member>) {
    this.#members = members;
  }

  /** Finds the file with this name, following links between members; undefined when not found, or links leave the archive or loop. */
  find(name: string): MemberRange | undefined {
    let at: string | undefined = joinPath('', byteStringFromText(name));
    for (let hops = 0; at !== undefined && hops <= ARCHIVE_LINKS_MAX; hops += 1) {
      const member = this.#members.get(at);
      if (member === undefined) return undefined;
      if (member.kind === 'file') return member;
      at = member.target;
    }
    return undefined;
  }
}

/**
 * Reads the headers of an archive. The last member of a name wins, as when tar unpacks.
 * @throws FormatError TAR_*
 */
export function readArchiveIndex(
  reader: RandomReader,
  membersMax = ARCHIVE_MEMBERS_MAX,
): ArchiveIndex {
  const members = new Map<string, Member>();
  for (let offset = 0; ; ) {
    const header = readHeader(reader, offset);
    if (header === undefined) return new ArchiveIndex(members);
    const payload = { offsetBytes: offset + header.headerBytes, sizeBytes: header.payloadBytes };
    if (payload.offsetBytes + payload.sizeBytes > reader.sizeBytes) {
      const reason = `expected ${payload.sizeBytes} bytes, found the end`;
      failTar('TAR_TRUNCATED', 'payload', payload.offsetBytes, reason);
    }
    addMember(members, header, payload, offset);
    if (members.size > membersMax) {
      const reason = `expected at most ${membersMax}, found more`;
      failTar('TAR_TOO_MANY_MEMBERS', 'members', offset, reason);
    }
    offset = payload.offsetBytes + Math.ceil(payload.sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
}

/** Reads the headers of the member at an offset; undefined at the end. */
function readHeader(reader: RandomReader, offset: number): TarMemberHeader | undefined {
  const blocks: Uint8Array[] = [];
  let lengthBytes = 0;
  const take = (sizeBytes: number): Uint8Array => {
    const bytes = new Uint8Array(sizeBytes);
    const length = reader.read(offset + lengthBytes, bytes);
    blocks.push(bytes.subarray(0, length));
    lengthBytes += length;
    return bytes;
  };
  for (;;) {
    const block = take(TAR_BLOCK_BYTES);
    const isPartial = lengthBytes % TAR_BLOCK_BYTES !== 0;
    if (lengthBytes === 0 || (isPartial && isZero(block))) return undefined;
    const head = isPartial ? undefined : readTarBlockHead(block, offset);
    if (head === undefined || head.extensionBytes === 0) break;
    if (lengthBytes + head.extensionBytes > HEADERS_BYTES_MAX) {
      const reason = `expected at most ${HEADERS_BYTES_MAX} bytes of headers, found more`;
      failTar('TAR_EXTENSION_TOO_LARGE', 'extension header', offset, reason);
    }
    take(head.extensionBytes);
  }
  return parseTarMemberHeader(Buffer.concat(blocks), offset);
}

function addMember(
  members: Map<string, Member>,
  header: TarMemberHeader,
  payload: MemberRange,
  offset: number,
): void {
  const { typeFlag, name: written, linkName, isPaxSparse } = header;
  if (typeFlag === TYPE_FLAG.paxGlobal) return;
  const name = joinPath('', written);
  if (name === undefined) {
    failTar('TAR_PATH_ESCAPES', 'member', offset, 'expected a name inside the archive');
  }
  if (typeFlag === TYPE_FLAG.regular || typeFlag === TYPE_FLAG.contiguous) {
    // The payload of a sparse file is not its content.
    if (isPaxSparse) members.delete(name);
    else members.set(name, { kind: 'file', ...payload });
  } else if (typeFlag === TYPE_FLAG.hardlink || typeFlag === TYPE_FLAG.symlink) {
    const target = linkTarget(name, linkName, typeFlag);
    if (target === undefined) members.delete(name);
    else members.set(name, { kind: 'link', target });
  }
}

/** Resolves a link: a hard link names a member; a symbolic link is relative to the directory of the link. */
function linkTarget(name: string, link: ByteString, typeFlag: number): string | undefined {
  if (typeFlag === TYPE_FLAG.hardlink) return joinPath('', link);
  if (link.startsWith('/')) return undefined;
  return joinPath(name.slice(0, Math.max(0, name.lastIndexOf('/'))), link);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Resolves `path` relative to the directory `base`, without `.` and `..`; undefined when the result leaves the archive. */
function joinPath(base: string, path: string): string | undefined {
  const parts: string[] = base === '' ? [] : base.split('/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}
