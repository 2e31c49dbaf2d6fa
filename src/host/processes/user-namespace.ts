import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Id of the user who made the user namespace of this process, as podman passes it on. Source: containers/storage, pkg/unshare. */
const OUTER_UID = '_CONTAINERS_ROOTLESS_UID';
const OUTER_GID = '_CONTAINERS_ROOTLESS_GID';
const IS_CONFIGURED = '_CONTAINERS_USERNS_CONFIGURED';

/** Programs that map the subordinate ids of this user, and their arguments before the command. */
const HELPERS = [
  ['unshare', '--user', '--map-root-user', '--map-auto', '--'],
  ['podman', 'unshare'],
] as const;
/** Ranges of ids by user. Source: subuid(5). */
const SUBORDINATE_IDS = '/etc/subuid';
/** How long a program may take to answer whether it can map ids, in milliseconds. */
const PROBE_MS = 30_000;

/** The id of this user; inside a user namespace that this program or podman made, the id outside. */
export function outerUid(): number {
  const own = process.getuid?.() ?? 0;
  const outer = process.env[OUTER_UID] ?? '';
  return own === 0 && /^[0-9]{1,10}$/.test(outer) ? Number(outer) : own;
}

/** The command that runs another one in a user namespace with the subordinate ids of this user; undefined if none can. */
export function findNamespaceHelper(): readonly string[] | undefined {
  if (process.geteuid?.() === 0 || process.env[IS_CONFIGURED] !== undefined) return undefined;
  // Without subordinate ids podman would map this user alone, and leave a process behind.
  if (!hasSubordinateIds()) return undefined;
  return HELPERS.find(([program, ...args]) => {
    const { status } = spawnSync(program, [...args, 'true'], {
      stdio: 'ignore',
      timeout: PROBE_MS,
    });
    return status === 0;
  });
}

/** True if this user has a range in /etc/subuid, by name or by id. */
function hasSubordinateIds(): boolean {
  try {
    const { uid, username } = userInfo();
    const lines = readFileSync(SUBORDINATE_IDS, 'utf8').split('\n');
    return lines.some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`));
  } catch {
    return false;
  }
}

/**
 * Replaces this process by the same program with the same arguments, run by a helper in a user namespace. Nothing after it is run.
 * @param helper as `findNamespaceHelper` returns it
 * @param variables of the environment, besides those of this process
 */
export function continueInNamespace(
  helper: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): never {
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const env = {
    ...process.env,
    ...variables,
    [OUTER_UID]: String(process.getuid?.() ?? 0),
    [OUTER_GID]: String(process.getgid?.() ?? 0),
    [IS_CONFIGURED]: 'done',
  };
  // `env` finds the program on PATH. It is no shell.
  process.execve?.('/usr/bin/env', ['env', ...helper, ...own], env);
  throw new Error('this Node cannot replace its process');
}
