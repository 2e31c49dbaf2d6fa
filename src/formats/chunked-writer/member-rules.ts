import { isOnecopyError } from '#base/errors';
import { formatTocTime, MemberPaths, tocTypeOf } from '#formats/chunked';
import type { TarMemberHeader } from '#formats/tar';
import { utf8Text } from '#formats/tar-split';
import { type PlainLayer, plainLayer } from './refusal.ts';

/** Checks every member of a tar for content that a usable TOC cannot hold. */
export class MemberRules {
  readonly #paths = new MemberPaths();

  /** Why a TOC cannot hold the member; undefined when it can. Source: spec of zstd:chunked 1.8. */
  check(header: TarMemberHeader): PlainLayer | undefined {
    const what = JSON.stringify(Buffer.from(header.name, 'latin1').toString('utf8'));
    const texts = [header.name, header.linkName, ...header.xattrs.keys()];
    if (texts.some((text) => utf8Text(text) === undefined)) {
      return plainLayer('name', `a name or link target of ${what} is not UTF-8`);
    }
    if (tocTypeOf(header.typeFlag) === undefined) {
      const flag = JSON.stringify(String.fromCharCode(header.typeFlag));
      return plainLayer('kind', `${what} is a member of type ${flag}`);
    }
    if (header.isPaxSparse) return plainLayer('sparse', `${what} is stored with holes`);
    if (header.payloadBytes !== header.sizeBytes) {
      return plainLayer('link-size', `${what} states ${header.sizeBytes} bytes without content`);
    }
    const times = [header.mtime, header.atime, header.ctime];
    if (times.some((time) => time !== undefined && formatTocTime(time) === undefined)) {
      return plainLayer('time', `a time of ${what} has no year of four digits`);
    }
    try {
      this.#paths.add(header);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return plainLayer('path', `${what}: ${String(error.details['reason'])}`);
    }
    return undefined;
  }
}
