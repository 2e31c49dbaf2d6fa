import { isOnecopyError, NotFoundError } from '#base/errors';
import {
  type AttachmentChoice,
  type AttachmentConfig,
  type ConfigEnvironment,
  chooseAttachments,
  orderDropIns,
  parseAttachmentFiles,
  planAttachmentsSearch,
  planPolicySearch,
} from '#formats/containers-config';
import {
  KEY_FILE_MAX_BYTES,
  type Policy,
  parsePolicy,
  scopesOfName,
  TRUST_DOCUMENT_MAX_BYTES,
} from '#formats/image-trust';
import type { ImageName } from '#formats/oci';
import type { ConfigRoot } from '#work/registries';

/** Options of the command line about trust. */
export interface TrustOptions {
  /** `--signature-policy`: this file and no other. */
  readonly signaturePolicy?: string;
  /** `--registries.d`: this folder and no other. */
  readonly registriesD?: string;
  /** `--require-policy`: a host without a policy accepts nothing. */
  readonly requirePolicy?: boolean;
  /** Signatures that are referrers count too, which podman does not read. */
  readonly acceptReferrers?: boolean;
}

/** The policy of this host, and how its keys and registries.d are read. */
export interface HostTrust {
  /** Undefined when there is no file, which accepts everything. */
  readonly policy: Policy | undefined;
  readonly acceptsReferrers: boolean;
  /** Whether signatures are attached at the place that is really asked. @throws FormatError CONFIG_INVALID */
  attachmentsAt(place: ImageName): Promise<AttachmentChoice>;
  /** Bytes of key files, or why one cannot be read; a missing one is left out. */
  readKeys(paths: readonly string[]): ReadonlyMap<string, Uint8Array | string>;
}

/**
 * Reads policy.json: the first file of the search order is the only one. A file that is broken refuses; there is no falling back.
 * @throws FormatError POLICY_INVALID; NotFoundError POLICY_NOT_FOUND for a file that was named, or with `requirePolicy`; HostError
 */
export function openTrust(
  root: ConfigRoot,
  env: ConfigEnvironment,
  options: TrustOptions = {},
): HostTrust {
  const policy = readPolicy(root, env, options);
  let attachments: AttachmentConfig | undefined;
  return {
    policy,
    acceptsReferrers: options.acceptReferrers === true,
    async attachmentsAt(place) {
      attachments ??= await readAttachments(root, env, options.registriesD);
      return chooseAttachments(attachments, scopesOfName(place));
    },
    readKeys: (paths) => readKeys(root, paths),
  };
}

function readPolicy(
  root: ConfigRoot,
  env: ConfigEnvironment,
  options: TrustOptions,
): Policy | undefined {
  const search = planPolicySearch(env, options.signaturePolicy);
  for (const path of search.candidates) {
    // One more byte than is parsed, so that the parser says what is wrong.
    const bytes = root.tryReadBytes(path, TRUST_DOCUMENT_MAX_BYTES + 1);
    if (bytes !== undefined) return parsePolicy(root.absolute(path), bytes);
  }
  if (!search.mustExist && options.requirePolicy !== true) return undefined;
  const paths = search.candidates.map((path) => `"${path}"`).join(', ');
  throw new NotFoundError(
    'POLICY_NOT_FOUND',
    `Cannot apply a signature policy: expected one in ${paths}, found no file`,
    { class: 'policy-missing', candidates: search.candidates },
    { hint: 'Write a policy.json, see containers-policy.json(5)' },
  );
}

async function readAttachments(
  root: ConfigRoot,
  env: ConfigEnvironment,
  option: string | undefined,
): Promise<AttachmentConfig> {
  const folders = planAttachmentsSearch(env, option).map((folder) => ({
    folder,
    names: root.tryListNames(folder) ?? [],
  }));
  const files = orderDropIns(folders, '.yaml').map((path) => root.readFile(path));
  return await parseAttachmentFiles(files);
}

function readKeys(
  root: ConfigRoot,
  paths: readonly string[],
): ReadonlyMap<string, Uint8Array | string> {
  const keys = new Map<string, Uint8Array | string>();
  for (const path of paths) {
    try {
      const bytes = root.tryReadBytes(path, KEY_FILE_MAX_BYTES);
      if (bytes !== undefined) keys.set(path, bytes);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      keys.set(path, error.message);
    }
  }
  return keys;
}
