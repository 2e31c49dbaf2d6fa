import { HostError } from '#base/errors';
import { type HostFile, readAt, statFd } from '#host';
import type { ContentPlace } from '#work/contents';

/** A file of another store as a place; `open` returns undefined, or throws, for a file that is gone. */
export function placeOfFile(sizeBytes: number, open: () => HostFile | undefined): ContentPlace {
  return {
    sizeBytes,
    open() {
      const file = attempt(open);
      if (file === undefined) return undefined;
      const stat = statFd(file);
      if (stat.type === 'file' && stat.sizeBytes === sizeBytes) {
        return {
          fd: file.fd,
          sizeBytes,
          read: (offset, into) => readAt(file, into, offset),
          [Symbol.dispose]: () => file[Symbol.dispose](),
        };
      }
      file[Symbol.dispose]();
      return undefined;
    },
  };
}

function attempt(open: () => HostFile | undefined): HostFile | undefined {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return undefined;
  }
}
