import { configInvalid } from './config-file.ts';

/** A client certificate with its key, by file name. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

/** The files used from a certs.d folder, sorted by name. */
export interface CertificateFiles {
  /** CA certificates, trusted in addition to the system's. */
  readonly authorities: readonly string[];
  readonly clientPairs: readonly CertificatePair[];
}

/**
 * Chooses the files of a certs.d folder: `*.crt` are CA certificates, `X.cert` with `X.key` a client certificate; other files are ignored.
 * Source: containers-certs.d(5); seen with skopeo 1.22.
 * @throws FormatError CONFIG_INVALID for an incomplete pair, naming both files
 */
export function chooseCertificateFiles(folder: string, names: readonly string[]): CertificateFiles {
  const sorted = [...names].sort();
  const present = new Set(sorted);
  const bases = new Set(
    sorted
      .filter((name) => /\.(?:cert|key)$/.test(name))
      .map((name) => name.replace(/\.[a-z]+$/, '')),
  );
  const clientPairs = [...bases].map((base) => ({
    certificate: `${base}.cert`,
    key: `${base}.key`,
  }));
  for (const { certificate, key } of clientPairs) {
    const missing = [certificate, key].find((name) => !present.has(name));
    if (missing === undefined) continue;
    throw configInvalid(folder, {
      expected: `"${certificate}" and "${key}"`,
      found: `no "${missing}"`,
      hint: 'A client certificate is a pair of X.cert and X.key',
    });
  }
  return { authorities: sorted.filter((name) => name.endsWith('.crt')), clientPairs };
}
