import { X509Certificate } from 'node:crypto';
import {
  type ConfigEnvironment,
  chooseCertificateFiles,
  planCertificatesSearch,
} from '#formats/containers-config';
import { type ConfigRoot, configNotFound } from './config-root.ts';

/** A client certificate and its key, as PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What TLS of one registry needs. */
export interface TlsMaterial {
  /** CA certificates beside the system's, as PEM. */
  readonly authorities: readonly string[];
  /** PEM in the place of the system's CA certificates, from SSL_CERT_FILE. */
  readonly systemAuthorities: string | undefined;
  /** Presented to the registry's own host and port alone. */
  readonly clientCertificates: readonly ClientCertificate[];
  readonly warnings: readonly string[];
}

/**
 * Reads the certificates of a registry from the first folder that exists. Source: containers-certs.d(5).
 * @throws FormatError CONFIG_INVALID for half a pair; NotFoundError CONFIG_NOT_FOUND for a file that vanished; HostError
 */
export function readTlsMaterial(
  root: ConfigRoot,
  env: ConfigEnvironment,
  registry: string,
  certDir: string | undefined,
): TlsMaterial {
  const systemFile = env.variables['SSL_CERT_FILE'];
  const systemAuthorities =
    systemFile === undefined || systemFile === '' ? undefined : root.tryReadFile(systemFile)?.text;
  for (const folder of planCertificatesSearch(env, registry, certDir)) {
    const names = root.tryListNames(folder);
    if (names === undefined) {
      if (folder === certDir) throw configNotFound(root.absolute(folder));
      continue;
    }
    const chosen = chooseCertificateFiles(root.absolute(folder), names);
    const read = (name: string) => root.readFile(`${folder}/${name}`).text;
    const authorities = chosen.authorities.map((name) => ({ name, text: read(name) }));
    const useless = authorities.filter(({ text }) => !isCertificate(text));
    return {
      authorities: authorities.filter((one) => !useless.includes(one)).map(({ text }) => text),
      systemAuthorities,
      clientCertificates: chosen.clientPairs.map(({ certificate, key }) => ({
        certificate: read(certificate),
        key: read(key),
      })),
      warnings: useless.map(
        ({ name }) => `"${folder}/${name}" holds no certificate and is ignored`,
      ),
    };
  }
  return { authorities: [], systemAuthorities, clientCertificates: [], warnings: [] };
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined;
  } catch {
    return false; // The caller warns: other tools pass over such a file in silence.
  }
}
