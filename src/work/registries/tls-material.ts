import { X509Certificate } from 'node:crypto';
import {
  type CertificateFiles,
  type ConfigEnvironment,
  chooseCertificateFiles,
  planCertificatesSearch,
} from '#formats/containers-config';
import { hasErrno } from '#host';
import type { EndpointTls } from '#remotes/registry';
import { type ConfigRoot, configNotFound } from './config-root.ts';

/** What TLS of one registry needs, and what a user should hear about it. */
export interface TlsMaterial {
  readonly tls: EndpointTls;
  readonly warnings: readonly string[];
}

/**
 * Reads the certificates of a registry from the first folder that exists, and SSL_CERT_FILE. Source: containers-certs.d(5).
 * @throws FormatError CONFIG_INVALID for half a pair; NotFoundError CONFIG_NOT_FOUND for a file that vanished; HostError
 */
export function readTlsMaterial(
  root: ConfigRoot,
  env: ConfigEnvironment,
  registry: string,
  certDir: string | undefined,
): TlsMaterial {
  const folder = findFolder(root, planCertificatesSearch(env, registry, certDir), certDir);
  const chosen = folder === undefined ? NOTHING : chooseCertificateFiles(folder.path, folder.names);
  const read = (name: string) => root.readFile(`${folder?.path}/${name}`).text;
  const authorities = chosen.authorities.map((name) => ({ name, text: read(name) }));
  const useless = authorities.filter(({ text }) => !isCertificate(text));
  const trusted = authorities.filter((one) => !useless.includes(one)).map(({ text }) => text);
  const systemFile = env.variables['SSL_CERT_FILE'] ?? '';
  const system = systemFile === '' ? undefined : root.tryReadFile(systemFile)?.text;
  const [pair, ...more] = chosen.clientPairs;
  return {
    tls: {
      caPem: system === undefined ? trusted : [...trusted, system],
      ...(pair === undefined
        ? {}
        : { client: { certPem: read(pair.certificate), keyPem: read(pair.key) } }),
    },
    warnings: [
      ...useless.map(({ name }) => `"${folder?.path}/${name}" holds no certificate and is ignored`),
      ...more.map(
        ({ certificate }) =>
          `"${folder?.path}/${certificate}" is a second client certificate and is ignored`,
      ),
    ],
  };
}

const NOTHING: CertificateFiles = { authorities: [], clientPairs: [] };

function findFolder(
  root: ConfigRoot,
  paths: readonly string[],
  certDir: string | undefined,
): { readonly path: string; readonly names: readonly string[] } | undefined {
  for (const path of paths) {
    const names = tryList(root, path);
    if (names !== undefined) return { path: root.absolute(path), names };
  }
  if (certDir === undefined) return undefined;
  throw configNotFound(root.absolute(certDir));
}

/** A directory that this user may not read is ignored, as in the other tools: it can only add certificates. */
function tryList(root: ConfigRoot, path: string): readonly string[] | undefined {
  try {
    return root.tryListNames(path);
  } catch (error) {
    if (hasErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined;
  } catch {
    return false; // The caller warns: other tools pass over such a file in silence.
  }
}
