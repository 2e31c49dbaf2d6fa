import { FormatError } from '#base/errors';
import { splitCommandLine } from './kernel-argument.ts';

/** An entry of the Boot Loader Specification (type 1): its lines, in order, without line ends. */
export interface BlsEntry {
  readonly lines: readonly string[];
}

/** Keys whose values are files. */
const FILE_KEYS = ['linux', 'initrd', 'efi'] as const;
/** A key, the white space after it, and the value. */
const LINE = /^([A-Za-z0-9_-]+)([ \t]+)(.*?)[ \t]*$/;

/** Parses an entry. @throws FormatError BOOT_FILE_INVALID for bytes that are not UTF-8 */
export function parseBlsEntry(bytes: Uint8Array, what: string): BlsEntry {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { lines: text.replace(/\n$/, '').split('\n') };
  } catch {
    throw new FormatError('BOOT_FILE_INVALID', `Cannot read ${what}: it is not UTF-8`, {
      offset: 0,
      what,
    });
  }
}

/** The bytes of an entry; each line ends with a newline. */
export function encodeBlsEntry({ lines }: BlsEntry): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

/** An entry for a kernel and an initramfs in one folder. */
export function createBlsEntry(folder: string): BlsEntry {
  return {
    lines: [
      '# File created by composefs',
      'title todoOS',
      'version 0-todo',
      `linux /${folder}/vmlinuz`,
      `initrd /${folder}/initramfs.img`,
    ],
  };
}

/** The files that an entry names, in order. */
export function filesOfBlsEntry({ lines }: BlsEntry): string[] {
  return lines.flatMap((line) => {
    const [, key, , value] = LINE.exec(line) ?? [];
    return isFileKey(key) && value !== undefined && value !== '' ? [value] : [];
  });
}

/**
 * Changes an entry; all other lines stay unchanged.
 * @param folder new folder of all files; their last names stay
 * @param args kernel arguments: each replaces the first word with the same key, or is added
 */
export function editBlsEntry(
  entry: BlsEntry,
  {
    folder,
    args = [],
  }: { readonly folder?: string | undefined; readonly args?: readonly string[] },
): BlsEntry {
  const lines = entry.lines.map((line) => {
    const [, key, space, value] = LINE.exec(line) ?? [];
    if (folder === undefined || !isFileKey(key) || value === undefined) return line;
    return `${key}${space}/${folder}/${value.slice(value.lastIndexOf('/') + 1)}`;
  });
  for (const arg of args) addArgument(lines, arg);
  return { lines };
}

/**
 * composefs-rs replaces the first word that merely starts with the key of the argument: adding `ro` overwrites `root=…`. Its output is
 * the recorded expectation, so that is kept. Source: oci-and-cli section 4.9.
 */
function addArgument(lines: string[], arg: string): void {
  const at = lines.findIndex((line) => LINE.exec(line)?.[1] === 'options');
  if (at < 0) {
    lines.push(`options ${arg}`);
    return;
  }
  const [, key = '', space = ' ', value = ''] = LINE.exec(lines[at] as string) ?? [];
  const words = splitCommandLine(value);
  const prefix = arg.split('=', 1)[0] as string;
  const found = words.findIndex((word) => word.startsWith(prefix));
  if (found < 0) words.push(arg);
  else words[found] = arg;
  lines[at] = `${key}${space}${words.join(' ')}`;
}

function isFileKey(key: string | undefined): boolean {
  return FILE_KEYS.some((known) => known === key);
}
