import { byteStringFromText, displayText } from '#base/bytes';
import { Dir, OPEN, readAll } from '#host';

/** Largest origin, boot entry or quadlet, in bytes. Our limit. */
const SMALL_FILE_BYTES_MAX = 1 << 20;

/** Names in a directory of a sysroot, sorted; none if the directory does not exist. */
export function namesIn(root: Dir, path: string): string[] {
  using dir = root.tryOpenDir(byteStringFromText(path));
  const names = dir?.readEntries().map(({ name }) => displayText(name)) ?? [];
  return names.sort();
}

/** Reads a small file of a sysroot; undefined if it does not exist. @throws HostError SYSCALL_FAILED, also for a larger file */
export function readSmall(root: Dir, path: string): Buffer | undefined {
  using file = root.tryOpenFile(byteStringFromText(path), OPEN.read | OPEN.nonBlock);
  return file === undefined ? undefined : readAll(file, SMALL_FILE_BYTES_MAX);
}

/** A boot entry of the kind that systemd-boot reads. Source: UAPI Boot Loader Specification, type 1. */
export interface BootEntry {
  /** Name of the file. */
  readonly name: string;
  value(key: string): string | undefined;
}

/** Lists the boot entries of a directory, by name. */
export function bootEntries(root: Dir, folder: string): readonly BootEntry[] {
  return namesIn(root, folder).flatMap((name): BootEntry[] => {
    const text = name.endsWith('.conf') ? readSmall(root, `${folder}/${name}`) : undefined;
    if (text === undefined) return [];
    const lines = text.toString('utf8').split('\n');
    const value = (key: string) =>
      lines
        .find((line) => line.startsWith(`${key} `))
        ?.slice(key.length + 1)
        .trim();
    return [{ name, value }];
  });
}

/** The kernel arguments of the running host, if this is the root of its system. */
export function runningArguments(root: Dir): string | undefined {
  using top = Dir.open('/');
  const running = top.stat('sysroot');
  const own = root.statSelf();
  if (running === undefined || running.ino !== own.ino || running.dev !== own.dev) return undefined;
  return readSmall(top, 'proc/cmdline')?.toString('utf8') ?? '';
}
