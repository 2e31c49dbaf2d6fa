import * as v from 'valibot';
import type { RegistryImageOptions } from '#work/registry-image';
import { flag, maybeText } from './schemas.ts';
import { refuseKeys } from './verb.ts';

/** Options for requests to registries, instead of the configuration of the host. */
export const registryKeys = {
  /** False disables verification of TLS for all endpoints, true enables it, whatever registries.conf says. */
  tlsVerify: v.optional(v.boolean()),
  /** Absolute path of the only file of credentials. */
  authfile: maybeText,
  /** Absolute path of a directory of certificates, instead of certs.d. */
  certDir: maybeText,
  /** Absolute path of the file in the place of registries.conf; drop-ins still count. */
  registriesConf: maybeText,
  /** For the host of the reference only. */
  creds: v.optional(
    v.strictObject({ user: v.pipe(v.string(), v.minLength(1)), password: v.string() }),
  ),
};
/** Where signatures of an image of a registry lie. */
export const attachmentKeys = {
  /** Absolute path of the folder in the place of registries.d. */
  registriesD: maybeText,
  /** Signatures that refer to the image count too, which podman does not read. */
  acceptReferrers: flag,
};
/** The signature policy for an image. */
export const policyKeys = {
  /** Absolute path of the signature policy, instead of policy.json of this host. */
  signaturePolicy: maybeText,
  /** Fail if this host has no policy.json. */
  requirePolicy: flag,
  ...attachmentKeys,
};

const registryRequest = v.object(registryKeys);
/** The part of a request about requests to registries. */
export type RegistryRequest = v.InferOutput<typeof registryRequest>;
const policyRequest = v.object(policyKeys);
/** The part of a request about the signature policy. */
export type PolicyRequest = v.InferOutput<typeof policyRequest>;

/** True for a reference to a registry. */
export function isRegistryReference(reference: string): boolean {
  return reference.startsWith('docker://');
}

/** Options of a request in the form of the registry client. */
export function registryOptions(asked: RegistryRequest & PolicyRequest): RegistryImageOptions {
  const { tlsVerify, authfile, certDir, creds, registriesConf } = asked;
  const { signaturePolicy, requirePolicy, registriesD, acceptReferrers } = asked;
  return {
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(authfile === undefined ? {} : { authFile: authfile }),
    ...(certDir === undefined ? {} : { certDir }),
    ...(creds === undefined ? {} : { creds }),
    ...(registriesConf === undefined ? {} : { registriesConf }),
    ...(registriesD === undefined ? {} : { registriesD }),
    ...(acceptReferrers === undefined ? {} : { acceptReferrers }),
    ...(signaturePolicy === undefined ? {} : { signaturePolicy }),
    ...(requirePolicy === undefined ? {} : { requirePolicy }),
  };
}

/** Refuses registry options for other sources. @throws UsageError */
export function refuseRegistryKeys(
  asked: Readonly<Record<string, unknown>>,
  subject: string,
): void {
  refuseKeys(asked, Object.keys(registryKeys), subject);
}
