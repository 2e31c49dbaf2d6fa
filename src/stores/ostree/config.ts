import { FormatError, UnsupportedError } from '#base/errors';
import { type KeyFile, keyBoolean, keyList, keyString, parseKeyFile } from '#formats/ostree';

/** How a repository stores its objects. Source: OSTree spec 2.7. */
export const OSTREE_MODES = [
  'archive',
  'bare',
  'bare-user',
  'bare-user-only',
  'bare-split-xattrs',
] as const;
export type OstreeMode = (typeof OSTREE_MODES)[number];

/** The supported settings of a repository. */
export interface OstreeConfig {
  readonly mode: OstreeMode;
  readonly collectionId: string | undefined;
  /** Path of the parent repository, which supplies objects that this one lacks. */
  readonly parent: string | undefined;
  /** False: nothing is synced to the disk. */
  readonly fsync: boolean;
  readonly perObjectFsync: boolean;
  readonly locking: boolean;
  /** Seconds to wait for the lock; -1 = without limit. */
  readonly lockTimeoutSec: number;
  readonly tombstoneCommits: boolean;
  readonly zlibLevel: number;
  /** Free space that writes preserve on the filesystem: a number of bytes, or a percentage. */
  readonly minFreeSpace: { readonly bytes: number } | { readonly percent: number };
  /** All settings, for keys that are not listed here. */
  readonly file: KeyFile;
}

/** Setting of signature verification: off, every built-in scheme, or the listed schemes. */
export type SignVerify = boolean | readonly string[];

/** A remote of a repository. Keys and defaults: OSTree spec 2.9. */
export interface OstreeRemoteConfig {
  readonly name: string;
  readonly url: string | undefined;
  readonly contentUrl: string | undefined;
  readonly metalink: string | undefined;
  readonly branches: readonly string[];
  readonly collectionId: string | undefined;
  readonly gpgVerify: boolean;
  readonly gpgVerifySummary: boolean;
  readonly gpgKeyPaths: readonly string[];
  readonly signVerify: SignVerify;
  readonly signVerifySummary: SignVerify;
  /** `verification-SCHEME-key` and `-file`, by key name. */
  readonly verification: ReadonlyMap<string, string>;
  readonly tlsPermissive: boolean;
  readonly tlsClientCertPath: string | undefined;
  readonly tlsClientKeyPath: string | undefined;
  readonly tlsCaPath: string | undefined;
  readonly proxy: string | undefined;
  /** The reason why this remote must be configured first. */
  readonly unconfiguredState: string | undefined;
}

/**
 * Reads the `config` of a repository.
 * @throws FormatError OSTREE_KEY_FILE_INVALID, OSTREE_CONFIG_INVALID; UnsupportedError OSTREE_VERSION_UNSUPPORTED
 */
export function parseConfig(bytes: Uint8Array): OstreeConfig {
  const file = parseKeyFile(bytes);
  const core = (key: string) => keyString(file, 'core', key);
  const version = core('repo_version');
  if (version !== '1') {
    throw new UnsupportedError(
      'OSTREE_VERSION_UNSUPPORTED',
      `Cannot open OSTree repository: expected repo_version 1, found ${version ?? 'none'}`,
      { found: version ?? null },
    );
  }
  return {
    mode: parseMode(core('mode')),
    collectionId: core('collection-id'),
    parent: core('parent'),
    fsync: keyBoolean(file, 'core', 'fsync') !== false,
    perObjectFsync: keyBoolean(file, 'core', 'per-object-fsync') === true,
    locking: keyBoolean(file, 'core', 'locking') !== false,
    lockTimeoutSec: integer(file, 'core', 'lock-timeout-secs', -1, 2 ** 31, 300),
    tombstoneCommits: keyBoolean(file, 'core', 'tombstone-commits') === true,
    zlibLevel: integer(file, 'archive', 'zlib-level', 0, 9, 6),
    minFreeSpace: minFreeSpace(file),
    file,
  };
}

/** The remotes of a key file, in file order. Also reads files of `remotes.d`. */
export function parseRemotes(file: KeyFile): OstreeRemoteConfig[] {
  const remotes: OstreeRemoteConfig[] = [];
  for (const [group, entries] of file) {
    const name = /^remote "([^"]+)"$/.exec(group)?.[1];
    if (name === undefined) continue;
    const text = (key: string) => keyString(file, group, key);
    remotes.push({
      name,
      url: text('url'),
      contentUrl: text('contenturl'),
      metalink: text('metalink'),
      branches: keyList(file, group, 'branches') ?? [],
      collectionId: text('collection-id'),
      gpgVerify: keyBoolean(file, group, 'gpg-verify') !== false,
      gpgVerifySummary: keyBoolean(file, group, 'gpg-verify-summary') === true,
      gpgKeyPaths: keyList(file, group, 'gpgkeypath') ?? [],
      signVerify: signVerify(file, group, 'sign-verify'),
      signVerifySummary: signVerify(file, group, 'sign-verify-summary'),
      verification: new Map([...entries].filter(([key]) => key.startsWith('verification-'))),
      tlsPermissive: keyBoolean(file, group, 'tls-permissive') === true,
      tlsClientCertPath: text('tls-client-cert-path'),
      tlsClientKeyPath: text('tls-client-key-path'),
      tlsCaPath: text('tls-ca-path'),
      proxy: text('proxy'),
      unconfiguredState: text('unconfigured-state'),
    });
  }
  return remotes;
}

function parseMode(text: string | undefined): OstreeMode {
  const mode = text === 'archive-z2' ? 'archive' : text;
  const found = OSTREE_MODES.find((one) => one === mode);
  return found ?? fail('core.mode', OSTREE_MODES.join(', '), text ?? 'none');
}

const MIB = 2 ** 20;
const SIZE_UNITS: Readonly<Record<string, number>> = { M: MIB, G: 2 ** 30, T: 2 ** 40 };

/** A size other than zero takes precedence, then the percentage (default: 3). Source: libostree ostree-repo.c. */
function minFreeSpace(file: KeyFile): OstreeConfig['minFreeSpace'] {
  const key = 'min-free-space-size';
  const text = keyString(file, 'core', key);
  const percent = integer(
    file,
    'core',
    'min-free-space-percent',
    0,
    99,
    text === undefined ? 3 : 0,
  );
  if (text === undefined) return { percent };
  const [, count, unit = ''] = /^([0-9]{1,12})([MGT])B$/.exec(text) ?? [];
  const bytes = Number(count) * (SIZE_UNITS[unit] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) fail(`core.${key}`, 'a size such as 500MB, 2GB or 1TB', text);
  return bytes === 0 ? { percent } : { bytes };
}

function integer(
  file: KeyFile,
  group: string,
  key: string,
  min: number,
  max: number,
  otherwise: number,
): number {
  const text = keyString(file, group, key);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^-?[0-9]+$/.test(text) || value < min || value > max) {
    fail(`${group}.${key}`, `a number from ${min} to ${max}`, text);
  }
  return value;
}

/** A boolean, or a list of schemes. */
function signVerify(file: KeyFile, group: string, key: string): SignVerify {
  return keyBoolean(file, group, key) ?? keyList(file, group, key) ?? false;
}

function fail(what: string, expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_CONFIG_INVALID',
    `Cannot read ${what} of the OSTree repository: expected ${expected}, found "${found}"`,
    { offset: 0, what, expected, found },
  );
}
