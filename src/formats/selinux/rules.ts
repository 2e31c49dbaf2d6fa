import { FormatError } from '#base/errors';
import {
  INODE_TYPES,
  NO_LABEL,
  PATTERN_MAX_BYTES,
  POLICY_FILE_MAX_BYTES,
  type POLICY_FILES,
} from './layout.ts';

/** Letter of an inode type. */
export type InodeType = (typeof INODE_TYPES)[number];

/** One line of `file_contexts`. */
export interface Rule {
  /** A regular expression for whole paths. */
  readonly pattern: string;
  /** Undefined: inodes of every type. */
  readonly type: InodeType | undefined;
  /** Undefined: matching inodes have no label. */
  readonly label: string | undefined;
  /** For messages. */
  readonly origin: LineOrigin;
}

/** Position of a line. */
export interface LineOrigin {
  readonly what: string;
  /** Byte offset of the line. */
  readonly offset: number;
}

/** The text files of one policy. All but the first may be missing. */
export type PolicyTexts = { readonly main: Uint8Array } & {
  readonly [Name in keyof typeof POLICY_FILES]?: Uint8Array | undefined;
};

/**
 * Reads `PATTERN [TYPE] LABEL` lines; ignores empty lines and lines that start with `#`.
 * Source: libselinux label_file.c process_line.
 * @throws FormatError SELINUX_POLICY_INVALID
 */
export function parseRules(bytes: Uint8Array, what: string): Rule[] {
  return linesOf(bytes, what).map(({ fields, origin }) => {
    const [pattern = ''] = fields;
    const [type, label] = fields.length === 2 ? [undefined, fields[1]] : fields.slice(1);
    if (label === undefined) fail(origin, 'a pattern and a label', `"${pattern.slice(0, 100)}"`);
    if (pattern.length > PATTERN_MAX_BYTES) {
      fail(origin, `a pattern of at most ${PATTERN_MAX_BYTES} bytes`, `${pattern.length} bytes`);
    }
    return {
      pattern,
      type: type === undefined ? undefined : typeOf(type, origin),
      label: label === NO_LABEL ? undefined : label,
      origin,
    };
  });
}

/**
 * Reads `ALIAS PATH` lines in order; ignores lines without exactly two words.
 * Source: libselinux label_file.c selabel_subs_init.
 */
export function parseAliases(bytes: Uint8Array | undefined, what: string): [string, string][] {
  if (bytes === undefined) return [];
  return linesOf(bytes, what).flatMap(({ fields: [alias, path] }): [string, string][] =>
    alias === undefined || path === undefined ? [] : [[alias, path]],
  );
}

/**
 * Name of the policy that `etc/selinux/config` chooses: the first line whose key is SELINUXTYPE in any case. Undefined without such a line.
 * Ignores whether SELinux is enabled.
 * @throws FormatError SELINUX_POLICY_INVALID for a value that is not a folder name
 */
export function parsePolicyName(config: Uint8Array): string | undefined {
  let offset = 0;
  for (const line of textOf(config, CONFIG).split('\n')) {
    const equals = line.indexOf('=');
    if (equals >= 0 && line.slice(0, equals).trim().toUpperCase() === 'SELINUXTYPE') {
      const name = line.slice(equals + 1).trim();
      if (/^[^/\0]+$/.test(name) && name !== '.' && name !== '..') return name;
      fail({ what: CONFIG, offset }, 'the name of a policy', JSON.stringify(name.slice(0, 100)));
    }
    offset += line.length + 1;
  }
  return undefined;
}

const CONFIG = 'selinux/config';

/** Throws the error of a policy that cannot be used. */
export function fail({ what, offset }: LineOrigin, expected: string, found: string): never {
  throw new FormatError(
    'SELINUX_POLICY_INVALID',
    `Cannot read ${what}: expected ${expected} at byte ${offset}, found ${found}`,
    { offset, what, expected, found },
  );
}

interface Line {
  readonly fields: readonly string[];
  readonly origin: LineOrigin;
}

function linesOf(bytes: Uint8Array, what: string): Line[] {
  const lines: Line[] = [];
  let offset = 0;
  for (const line of textOf(bytes, what).split('\n')) {
    const text = line.trim();
    if (text !== '' && !text.startsWith('#')) {
      lines.push({ fields: text.split(/\s+/), origin: { what, offset } });
    }
    offset += line.length + 1;
  }
  return lines;
}

function textOf(bytes: Uint8Array, what: string): string {
  if (bytes.length > POLICY_FILE_MAX_BYTES) {
    const limit = `at most ${POLICY_FILE_MAX_BYTES} bytes`;
    fail({ what, offset: 0 }, limit, `${bytes.length} bytes`);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function typeOf(text: string, origin: LineOrigin): InodeType {
  const found = INODE_TYPES.find((letter) => text === `-${letter}`);
  return found ?? fail(origin, 'a type such as -- or -d', JSON.stringify(text.slice(0, 100)));
}
