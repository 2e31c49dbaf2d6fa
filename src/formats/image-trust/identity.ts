import {
  formatImageName,
  type ImageName,
  isRegistryHost,
  isRepositoryPath,
  parseImageName,
} from '#formats/oci';
import type { StrictField } from './strict-field.ts';

/** The signed names that are accepted for an image. Source: containers-policy.json(5), signedIdentity. */
export type SignedIdentity =
  | { readonly type: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' }
  | { readonly type: 'exactReference' | 'exactRepository'; readonly name: ImageName }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

/** The default of a requirement. */
export const DEFAULT_IDENTITY: SignedIdentity = { type: 'matchRepoDigestOrExact' };

/** Reads a signedIdentity; calls the field's `fail` for anything unknown. */
export function readIdentity(field: StrictField): SignedIdentity {
  const type = field.peek('type').string();
  switch (type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      field.object(['type']);
      return { type };
    case 'exactReference': {
      const reference = field.object(['type', 'dockerReference'])('dockerReference');
      const name = readName(reference);
      if (name.tag !== undefined || name.digest !== undefined) return { type, name };
      return reference.fail('a tag or a digest', `"${reference.string()}"`);
    }
    case 'exactRepository': {
      const members = field.object(['type', 'dockerRepository']);
      return { type, name: readName(members('dockerRepository')) };
    }
    case 'remapIdentity': {
      const members = field.object(['type', 'prefix', 'signedPrefix']);
      return {
        type,
        prefix: readPrefix(members('prefix')),
        signedPrefix: readPrefix(members('signedPrefix')),
      };
    }
    default:
      return field.fail('a known type of signedIdentity', `"${type}"`);
  }
}

/**
 * True when a signature that names `signed` is valid for an image. A signed text that is not a name is never accepted.
 * @param image as written by the user, normalised; undefined for transports without names (`dir:`, `oci:`)
 */
export function acceptsIdentity(
  identity: SignedIdentity,
  image: ImageName | undefined,
  signed: string,
): boolean {
  const name = tryParse(signed);
  if (name === undefined) return false;
  switch (identity.type) {
    case 'exactReference':
      return isExact(identity.name, name);
    case 'exactRepository':
      return isSameRepository(identity.name, name);
    case 'matchExact':
      return image !== undefined && isExact(image, name);
    case 'matchRepository':
      return image !== undefined && isSameRepository(image, name);
    case 'matchRepoDigestOrExact':
      return image !== undefined && isRepoDigestOrExact(image, name);
    case 'remapIdentity': {
      const mapped = image === undefined ? undefined : remap(image, identity);
      return mapped !== undefined && isRepoDigestOrExact(mapped, name);
    }
  }
}

/** True when a signed text is a repository without tag and digest, as written by cosign. */
export function isBareRepository(signed: string): boolean {
  const name = tryParse(signed);
  return name !== undefined && !isPrecise(name);
}

function isExact(image: ImageName, signed: ImageName): boolean {
  return (
    isPrecise(image) && isPrecise(signed) && formatImageName(image) === formatImageName(signed)
  );
}

function isRepoDigestOrExact(image: ImageName, signed: ImageName): boolean {
  if (!isPrecise(signed)) return false;
  if (image.digest !== undefined) return isSameRepository(image, signed);
  return isExact(image, signed);
}

function isSameRepository(one: ImageName, other: ImageName): boolean {
  return one.registry === other.registry && one.repository === other.repository;
}

function isPrecise({ tag, digest }: ImageName): boolean {
  return tag !== undefined || digest !== undefined;
}

/** Only whole components are replaced; a prefix that does not match changes nothing. */
function remap(
  image: ImageName,
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
): ImageName | undefined {
  const repository = `${image.registry}/${image.repository}`;
  if (repository !== prefix && !repository.startsWith(`${prefix}/`)) return image;
  return tryParse(`${signedPrefix}${formatImageName(image).slice(prefix.length)}`);
}

function readName(field: StrictField): ImageName {
  const text = field.string();
  return tryParse(text) ?? field.fail('an image name', JSON.stringify(text));
}

/** `HOST[:PORT][/PATH]` as written: nothing is added to it. Source: seen with skopeo 1.22, which accepts `docker.io/x` and `a/b`. */
function readPrefix(field: StrictField): string {
  const text = field.string();
  const slash = text.indexOf('/');
  const isPrefix =
    slash < 0
      ? isRegistryHost(text)
      : isRegistryHost(text.slice(0, slash)) && isRepositoryPath(text.slice(slash + 1));
  return isPrefix ? text : field.fail('HOST[:PORT][/PATH] without tag', JSON.stringify(text));
}

function tryParse(text: string): ImageName | undefined {
  try {
    return parseImageName(text);
  } catch {
    return undefined; // A signature or a policy may contain any text; the callers refuse it.
  }
}
