import * as v from 'valibot';
import type { RegistryImageOptions } from '#work/registry-image';
import { flag, maybeText } from './schemas.ts';
import { refuseKeys } from './verb.ts';

/** How registries are asked, where this host's configuration is not to decide. */
export const registryKeys = {
  /** False asks all endpoints without verified TLS, true none, whatever registries.conf says. */
  tlsVerify: v.optional(v.boolean()),
  /** Absolute path of the only file of credentials. */
  authfile: maybeText,
  /** Absolute path of a folder of certificates, in the place of certs.d. */
  certDir: maybeText,
  /** For the host of the reference alone. */
  creds: v.optional(v.strictObject({ user: v.string(), password: v.string() })),
};
/** The policy that an image is judged by. */
export const policyKeys = {
  /** Absolute path of the policy to judge the image by, instead of this host's policy.json. */
  signaturePolicy: maybeText,
  /** Fail if this host has no policy.json. */
  requirePolicy: flag,
};

const registryRequest = v.object(registryKeys);
/** The part of a request that says how registries are asked. */
export type RegistryRequest = v.InferOutput<typeof registryRequest>;
const policyRequest = v.object(policyKeys);
/** The part of a request that says what an image is judged by. */
export type PolicyRequest = v.InferOutput<typeof policyRequest>;

/** True for a reference to a registry. */
export function isRegistryReference(reference: string): boolean {
  return reference.startsWith('docker://');
}

/** Options of a request as the registry client takes them. */
export function registryOptions(asked: RegistryRequest & PolicyRequest): RegistryImageOptions {
  const { tlsVerify, authfile, certDir, creds, signaturePolicy, requirePolicy } = asked;
  return {
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(authfile === undefined ? {} : { authFile: authfile }),
    ...(certDir === undefined ? {} : { certDir }),
    ...(creds === undefined ? {} : { creds }),
    ...(signaturePolicy === undefined ? {} : { signaturePolicy }),
    ...(requirePolicy === undefined ? {} : { requirePolicy }),
  };
}

/** Refuses options of registries where none is asked. @throws UsageError */
export function refuseRegistryKeys(
  asked: Readonly<Record<string, unknown>>,
  subject: string,
): void {
  refuseKeys(asked, Object.keys(registryKeys), subject);
}
