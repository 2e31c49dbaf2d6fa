import { decodeBase64 } from '#base/bytes';
import { DEFAULT_IDENTITY, readIdentity, type SignedIdentity } from './identity.ts';
import type { StrictField } from './strict-field.ts';

/** Location of a public key. */
export type KeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'data'; readonly bytes: Uint8Array };

/** One requirement of a policy. */
export type Requirement =
  | { readonly type: 'insecureAcceptAnything' | 'reject' }
  | {
      readonly type: 'sigstoreSigned';
      readonly keys: readonly KeySource[];
      readonly identity: SignedIdentity;
    }
  | {
      /** Valid, but of a kind that this library does not support: it refuses by this name. */
      readonly type: 'not-built';
      readonly kind: string;
    };

const KEY_TYPES = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'];
const REKOR = ['Path', 'Paths', 'Data', 'Datas'].map((end) => `rekorPublicKey${end}`);

/** Reads one requirement, strictly; calls the field's `fail` for anything unknown. Source: containers-policy.json(5). */
export function readRequirement(field: StrictField): Requirement {
  const type = field.peek('type').string();
  switch (type) {
    case 'insecureAcceptAnything':
    case 'reject':
      field.object(['type']);
      return { type };
    case 'sigstoreSigned':
      return readSigstoreSigned(field);
    case 'signedBy':
      return readSignedBy(field);
    case 'signedBaseLayer':
      readIdentity(field.object(['type', 'baseLayerIdentity'])('baseLayerIdentity'));
      return { type: 'not-built', kind: type };
    default:
      return field.fail('a known type of requirement', `"${type}"`);
  }
}

function readSigstoreSigned(field: StrictField): Requirement {
  const own = ['keyPath', 'keyPaths', 'keyData', 'keyDatas', 'fulcio', 'pki'];
  const members = field.object(['type', 'signedIdentity', ...own, ...REKOR]);
  const source = only(field, own.map(members).filter(isGiven), 'key source');
  const rekor = REKOR.map(members).filter(isGiven);
  if (rekor.length > 1) field.fail('one rekorPublicKey', `${rekor.length}`);
  for (const one of rekor) readKeys(one);
  const identity = identityOf(members('signedIdentity'));
  const kind = source.path.slice(source.path.lastIndexOf('.') + 1);
  if (kind === 'fulcio') {
    if (rekor.length === 0) field.fail('a rekorPublicKey beside fulcio', 'none');
    readFulcio(source);
    return { type: 'not-built', kind: 'sigstoreSigned with fulcio (keyless)' };
  }
  if (kind === 'pki') {
    if (rekor.length > 0) field.fail('no rekorPublicKey beside pki', 'one');
    readPki(source);
    return { type: 'not-built', kind: 'sigstoreSigned with pki' };
  }
  const keys = readKeys(source);
  if (rekor.length > 0) return { type: 'not-built', kind: 'sigstoreSigned with rekorPublicKey' };
  return { type: 'sigstoreSigned', keys, identity };
}

function readSignedBy(field: StrictField): Requirement {
  const own = ['keyPath', 'keyPaths', 'keyData'];
  const members = field.object(['type', 'keyType', 'signedIdentity', ...own]);
  const keyType = members('keyType').string();
  if (!KEY_TYPES.includes(keyType)) members('keyType').fail('a known keyType', `"${keyType}"`);
  readKeys(only(field, own.map(members).filter(isGiven), 'key source'));
  identityOf(members('signedIdentity'));
  return { type: 'not-built', kind: 'signedBy' };
}

function readFulcio(field: StrictField): void {
  const members = field.object(['caPath', 'caData', 'oidcIssuer', 'subjectEmail']);
  readKeys(only(field, ['caPath', 'caData'].map(members).filter(isGiven), 'CA'));
  for (const name of ['oidcIssuer', 'subjectEmail']) {
    const text = members(name).string();
    if (text === '') members(name).fail('a text', 'an empty one');
  }
}

function readPki(field: StrictField): void {
  const roots = ['caRootsPath', 'caRootsData'];
  const intermediates = ['caIntermediatesPath', 'caIntermediatesData'];
  const subjects = ['subjectEmail', 'subjectHostname'];
  const members = field.object([...roots, ...intermediates, ...subjects]);
  readKeys(only(field, roots.map(members).filter(isGiven), 'CA root'));
  const given = intermediates.map(members).filter(isGiven);
  if (given.length > 1) field.fail('one source of CA intermediates', `${given.length}`);
  for (const one of given) readKeys(one);
  const named = subjects.map(members).filter(isGiven);
  if (named.length === 0) field.fail(subjects.join(' or '), 'neither');
  for (const one of named) one.string();
}

/** Absent keys, and paths or subjects that are empty or null, count as absent; an empty `keyData` does not. Source: seen with skopeo 1.22. */
function isGiven(field: StrictField): boolean {
  const isEmpty = field.value === '' || field.value === null;
  return !field.isAbsent && !(isEmpty && /(?:Path|subject\w+)$/.test(field.path));
}

function only(field: StrictField, given: readonly StrictField[], what: string): StrictField {
  const [one, ...more] = given;
  if (one !== undefined && more.length === 0) return one;
  return field.fail(`exactly one ${what}`, given.length === 0 ? 'none' : `${given.length}`);
}

/** Reads `…Path`, `…Paths`, `…Data` or `…Datas`. */
function readKeys(field: StrictField): readonly KeySource[] {
  const isMany = field.path.endsWith('s');
  const items = isMany ? field.list() : [field];
  return items.map(/Datas?$/.test(field.path) ? readData : readPath);
}

/** Refuses relative paths, which would name another file in every folder. */
function readPath(field: StrictField): KeySource {
  const path = field.string();
  return path.startsWith('/')
    ? { kind: 'file', path }
    : field.fail('an absolute path', JSON.stringify(path));
}

function readData(field: StrictField): KeySource {
  const bytes = decodeBase64(field.string());
  return bytes === undefined ? field.fail('base64', 'another text') : { kind: 'data', bytes };
}

function identityOf(field: StrictField): SignedIdentity {
  return field.isAbsent ? DEFAULT_IDENTITY : readIdentity(field);
}
