import type { ProgramSpec } from './arguments/spec.ts';
import { ociCommands } from './oci/commands.ts';
import { ostreeCommands } from './ostree/commands.ts';
import { repositoryCommands } from './repository/commands.ts';
import type { Handler } from './setting.ts';

/** Help and completion show the groups behind `images`. */
const GROUPS_AT = repositoryCommands.findIndex(({ name }) => name === 'images') + 1;

/** All of `cfsctl`. Source: oci-and-cli sections 1.2 to 1.7. */
export const PROGRAM: ProgramSpec<Handler> = {
  name: 'cfsctl',
  // The release whose behaviour this is.
  version: '0.9.4',
  options: [
    {
      name: 'repo',
      value: 'REPO',
      completes: 'directory',
      excludes: ['user', 'system'],
      summary: 'Directory of the repository',
    },
    {
      name: 'user',
      excludes: ['system'],
      summary: 'Use the repository of the user, $HOME/.var/lib/composefs',
    },
    { name: 'system', summary: 'Use the repository of the system, /sysroot/composefs' },
    {
      name: 'hash',
      value: 'HASH',
      choices: ['sha256', 'sha512'],
      summary: 'Algorithm that the repository must have',
    },
    {
      name: 'erofs-version',
      value: 'EROFS_VERSION',
      choices: ['0', '1', '2'],
      summary: 'Make images in this version of the format',
    },
    { name: 'insecure', isHidden: true, summary: 'Accept objects without fs-verity' },
    { name: 'require-verity', summary: 'Refuse a repository without fs-verity' },
    { name: 'no-upgrade', summary: 'Refuse a repository without meta.json' },
    {
      name: 'no-repo',
      summary: 'Open no repository; for compute-id, compute-karg and create-dumpfile',
    },
  ],
  commands: [
    ...repositoryCommands.slice(0, GROUPS_AT),
    { name: 'oci', summary: 'OCI images and their layers', commands: ociCommands },
    { name: 'ostree', summary: 'OSTree commits', commands: ostreeCommands },
    ...repositoryCommands.slice(GROUPS_AT),
  ],
};
