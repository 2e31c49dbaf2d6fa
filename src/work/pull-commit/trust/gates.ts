import { FormatError, NotFoundError, UnsupportedError } from '#base/errors';
import {
  createEd25519Verifier,
  createSpkiVerifier,
  type KeySet,
  parseEd25519Keys,
  parseSpkiKeys,
  type SignatureVerifier,
} from '#formats/ostree';
import { Dir, hasErrno, OPEN, readAll } from '#host';
import type { OstreeRemoteConfig, SignVerify } from '#stores/ostree';
import { createGpgVerifier, isKeyring } from './gpg.ts';
import type { SignatureGate, TrustPolicy } from './trust.ts';

/** Keys that are believed. */
export interface TrustedKeys {
  /** OpenPGP keyrings, binary or armored. */
  readonly gpg?: readonly Uint8Array[] | undefined;
  readonly ed25519?: KeySet | undefined;
  readonly spki?: KeySet | undefined;
}

/** What must be signed, and by whom; the names are those of a remote's configuration. Source: OSTree spec 2.9, 2.14. */
export interface TrustSettings extends Omit<TrustPolicy, 'commitGates' | 'summaryGates'> {
  readonly gpgVerify?: boolean | undefined;
  readonly gpgVerifySummary?: boolean | undefined;
  /** True: a signature of any scheme that has keys. A list: of any scheme in it. */
  readonly signVerify?: SignVerify | undefined;
  readonly signVerifySummary?: SignVerify | undefined;
  readonly keys: TrustedKeys;
}

/** Where keys lie that are not in the configuration of a remote. */
export interface KeyPlaces {
  /** The OSTree repository of the remote, for `REMOTE.trustedkeys.gpg`. */
  readonly repository?: string | undefined;
  /** Folders with `trusted.SCHEME`, `trusted.SCHEME.d/`, `revoked.SCHEME`, `trusted.gpg.d/`; those of libostree by default. */
  readonly system?: readonly string[] | undefined;
}

/** Schemes of `sign-verify`. GPG is a gate of its own. */
const SIGN_SCHEMES = ['ed25519', 'spki'] as const;
type SignScheme = (typeof SIGN_SCHEMES)[number];

const SYSTEM_FOLDERS: readonly string[] = ['/etc/ostree', '/usr/share/ostree'];
/** Largest key file that is read, in bytes. */
const KEY_FILE_MAX_BYTES = 16 * 1024 * 1024;
const PEM_KEY = '-----BEGIN PUBLIC KEY-----';

/**
 * Turns settings into the gates of a pull: GPG and the other schemes are independent, each that is enabled must pass.
 * @throws NotFoundError OSTREE_KEYS_MISSING when something must be signed and no key is trusted;
 * UnsupportedError OSTREE_SIGNATURE_SCHEME_UNKNOWN; FormatError OSTREE_KEY_INVALID
 */
export async function createTrustPolicy(settings: TrustSettings): Promise<TrustPolicy> {
  const { gpgVerify, gpgVerifySummary, signVerify, signVerifySummary, keys, ...rest } = settings;
  const gpg = gpgVerify === true || gpgVerifySummary === true ? await gpgGate(keys) : undefined;
  return {
    ...rest,
    commitGates: gatesOf(gpgVerify === true ? gpg : undefined, signGate(signVerify, keys)),
    summaryGates: gatesOf(
      gpgVerifySummary === true ? gpg : undefined,
      signGate(signVerifySummary, keys),
    ),
  };
}

/**
 * The policy of a configured remote: its own keys, else those of the system; revoked keys never count.
 * @throws as `createTrustPolicy`; NotFoundError OSTREE_KEYS_MISSING for a key file that is not there
 */
export async function remoteTrustPolicy(
  remote: OstreeRemoteConfig,
  places: KeyPlaces = {},
): Promise<TrustPolicy> {
  const system = places.system ?? SYSTEM_FOLDERS;
  return await createTrustPolicy({
    gpgVerify: remote.gpgVerify,
    gpgVerifySummary: remote.gpgVerifySummary,
    signVerify: remote.signVerify,
    signVerifySummary: remote.signVerifySummary,
    collectionId: remote.collectionId,
    keys: {
      gpg: gpgKeyrings(remote, places.repository, system),
      ed25519: schemeKeys(remote, 'ed25519', system, parseEd25519Keys),
      spki: schemeKeys(remote, 'spki', system, parseSpkiKeys),
    },
  });
}

/**
 * The gates that keys given by hand make: OpenPGP keyrings are one gate, all other keys another, of which any one suffices. Sign keys
 * are texts: base64 of ed25519 keys, one a line, or PEM public keys.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export async function gatesOfKeys(
  gpgKeyrings: readonly Uint8Array[],
  signKeys: readonly string[],
): Promise<SignatureGate[]> {
  const gates: SignatureGate[] = [];
  if (gpgKeyrings.length > 0) gates.push(await createGpgVerifier(gpgKeyrings));
  if (signKeys.length > 0) gates.push(signKeys.map(verifierOfText));
  return gates;
}

/** Reads a key file. @throws NotFoundError OSTREE_KEYS_MISSING */
export function readKeyFile(path: string): Uint8Array {
  return tryReadFile(path) ?? failMissing(`the file "${path}"`);
}

function gatesOf(...gates: readonly (SignatureGate | undefined)[]): SignatureGate[] {
  return gates.filter((gate) => gate !== undefined);
}

async function gpgGate({ gpg = [] }: TrustedKeys): Promise<SignatureVerifier> {
  if (gpg.length === 0) failMissing('a GPG key');
  return await createGpgVerifier(gpg);
}

function signGate(verify: SignVerify | undefined, keys: TrustedKeys): SignatureGate | undefined {
  if (verify === undefined || verify === false) return undefined;
  const schemes = verify === true ? SIGN_SCHEMES : verify.map(requireScheme);
  const verifiers: SignatureVerifier[] = [];
  for (const scheme of schemes) {
    const set = keys[scheme];
    if (set === undefined || set.trusted.length === 0) continue;
    verifiers.push(scheme === 'ed25519' ? createEd25519Verifier(set) : createSpkiVerifier(set));
  }
  if (verifiers.length === 0) failMissing(`a key of scheme ${schemes.join(' or ')}`);
  return verifiers;
}

function requireScheme(name: string): SignScheme {
  const found = SIGN_SCHEMES.find((scheme) => scheme === name);
  if (found !== undefined) return found;
  throw new UnsupportedError(
    'OSTREE_SIGNATURE_SCHEME_UNKNOWN',
    `Cannot verify signatures: expected scheme ${SIGN_SCHEMES.join(' or ')}, found "${name}"`,
    { found: name },
  );
}

function verifierOfText(text: string): SignatureVerifier {
  if (text.includes(PEM_KEY)) return createSpkiVerifier({ trusted: parseSpkiKeys(text) });
  const trusted = parseEd25519Keys(text);
  if (trusted.length > 0) return createEd25519Verifier({ trusted });
  throw new FormatError(
    'OSTREE_KEY_INVALID',
    'Cannot read key: expected base64 or PEM, found nothing',
    { offset: 0, what: 'key', expected: 'base64 or PEM', found: 'nothing' },
  );
}

function gpgKeyrings(
  remote: OstreeRemoteConfig,
  repository: string | undefined,
  system: readonly string[],
): Uint8Array[] {
  const configured = remote.gpgKeyPaths.flatMap((path) => {
    const found = readFolder(path)?.filter(isKeyring) ?? [readKeyFile(path)];
    return found.length > 0 ? found : failMissing(`keys at "${path}"`);
  });
  if (configured.length > 0) return configured;
  const own =
    repository === undefined
      ? undefined
      : tryReadFile(`${repository}/${remote.name}.trustedkeys.gpg`);
  if (own !== undefined) return [own];
  return system.flatMap((folder) => readFolder(`${folder}/trusted.gpg.d`, isKeyringName) ?? []);
}

function schemeKeys(
  remote: OstreeRemoteConfig,
  scheme: SignScheme,
  system: readonly string[],
  parse: (text: string) => Uint8Array[],
): KeySet {
  const read = (places: readonly Uint8Array[]) =>
    places.flatMap((bytes) => parse(Buffer.from(bytes).toString('latin1')));
  const inline = remote.verification.get(`verification-${scheme}-key`);
  const file = remote.verification.get(`verification-${scheme}-file`);
  const own = [
    ...(inline === undefined ? [] : [new Uint8Array(Buffer.from(inline, 'latin1'))]),
    ...(file === undefined ? [] : [readKeyFile(file)]),
  ];
  const inFolders = (name: string) =>
    system.flatMap((folder) => [
      ...readPlace(`${folder}/${name}.${scheme}`),
      ...readPlace(`${folder}/${name}.${scheme}.d`),
    ]);
  return {
    trusted: read(own.length > 0 ? own : inFolders('trusted')),
    revoked: read(inFolders('revoked')),
  };
}

/** Other files lie beside keyrings, and two that GnuPG names alike. Source: libostree ostree-gpg-verifier.c add_keyring_dir_at. */
function isKeyringName(name: string): boolean {
  return name.endsWith('.gpg') && name !== 'trustdb.gpg' && name !== 'secring.gpg';
}

/** A file, or every file of a folder in order of names; empty when there is neither. */
function readPlace(path: string): Uint8Array[] {
  const files = readFolder(path);
  if (files !== undefined) return files;
  const bytes = tryReadFile(path);
  return bytes === undefined ? [] : [bytes];
}

/** The regular files of a folder in order of names, or undefined when it is none. */
function readFolder(path: string, isWanted = (_: string) => true): Uint8Array[] | undefined {
  try {
    using folder = Dir.open(path);
    return folder
      .readEntries()
      .filter(({ name, type }) => type === 'file' && isWanted(name))
      .map(({ name }) => name)
      .sort()
      .map((name) => {
        using file = folder.openFile(name, 0);
        return readAll(file, KEY_FILE_MAX_BYTES);
      });
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** A key or configuration file, or undefined when there is none. */
export function tryReadFile(path: string): Uint8Array | undefined {
  const slash = path.lastIndexOf('/');
  try {
    using folder = Dir.open(slash < 0 ? '.' : path.slice(0, slash) || '/');
    using file = folder.tryOpenFile(
      Buffer.from(path.slice(slash + 1)).toString('latin1'),
      OPEN.read,
    );
    return file === undefined ? undefined : readAll(file, KEY_FILE_MAX_BYTES);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

function failMissing(expected: string): never {
  throw new NotFoundError(
    'OSTREE_KEYS_MISSING',
    `Cannot verify signatures: expected ${expected}, found none`,
    { expected },
    { hint: 'Name the keys, or disable verification for this remote' },
  );
}
