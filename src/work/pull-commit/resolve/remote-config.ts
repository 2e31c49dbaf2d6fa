import { NotFoundError } from '#base/errors';
import { parseKeyFile } from '#formats/ostree';
import { parseRemotes } from '#stores/ostree';
import type { OstreeAddress } from '../options.ts';
import { type KeyPlaces, remoteTrustPolicy, tryReadFile } from '../trust/gates.ts';
import type { TrustPolicy } from '../trust/trust.ts';
import { remoteSourceOf } from './remote-address.ts';

/** A remote as a configuration file describes it. */
export interface ConfiguredRemote {
  readonly source: Extract<OstreeAddress, { readonly kind: 'remote' }>;
  readonly trust: TrustPolicy;
}

/**
 * Reads a remote from the `config` of an OSTree repository or a file of `remotes.d`: how to reach it, and whom to trust. Keyrings
 * are looked for beside the file too, as `NAME.trustedkeys.gpg`.
 * @throws NotFoundError OSTREE_REMOTE_NOT_FOUND; as `remoteSourceOf` and `remoteTrustPolicy`
 */
export async function openConfiguredRemote(
  path: string,
  name: string,
  places: KeyPlaces = {},
): Promise<ConfiguredRemote> {
  const slash = path.lastIndexOf('/');
  const folder = slash < 0 ? '.' : path.slice(0, slash) || '/';
  const file = tryReadFile(path);
  if (file === undefined) {
    throw new NotFoundError(
      'OSTREE_REMOTE_NOT_FOUND',
      `Cannot find remote "${name}": expected its settings in "${path}", found no such file`,
      { name, path },
    );
  }
  const remotes = parseRemotes(parseKeyFile(file, path));
  const remote = remotes.find((one) => one.name === name);
  if (remote === undefined) {
    throw new NotFoundError(
      'OSTREE_REMOTE_NOT_FOUND',
      `Cannot find remote "${name}" in "${path}": expected one of ${remotes.map((one) => one.name).join(', ')}`,
      { name, path },
    );
  }
  const trust = await remoteTrustPolicy(remote, { repository: folder, ...places });
  return { source: remoteSourceOf(remote), trust };
}
