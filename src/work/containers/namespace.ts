import { isOnecopyError, quietly, UnsupportedError } from '#base/errors';
import { parseReference } from '#formats/oci';
import { continueInNamespace, Dir, findNamespaceHelper } from '#host';
import { locateStore } from './locate.ts';

const TRANSPORT = 'containers-storage:';
/** Errors of files that belong to other ids. */
const DENIED: readonly unknown[] = ['EACCES', 'EPERM'];
/** Longest chain of causes that is followed. */
const CAUSES_MAX = 16;

/** A store whose files this user may use only in a user namespace. */
export interface DeniedStore {
  /** Graph root. */
  readonly path: string;
  /**
   * Replaces this process by one in a user namespace, which runs the same command again.
   * @throws UnsupportedError STORE_NEEDS_NAMESPACE if no program of the host makes one
   */
  continueInNamespace(variables?: Readonly<Record<string, string>>): never;
}

/**
 * The store of a failed command, if this user was denied a file of it. Rootless podman gives files to subordinate ids of the user, and only in a
 * user namespace with these ids may the user read and write them.
 * @param words references and other words of the command
 */
export async function findDeniedStore(
  error: unknown,
  words: Iterable<unknown>,
): Promise<DeniedStore | undefined> {
  if (process.geteuid?.() === 0) return undefined;
  if (!isDenial(error)) return undefined;
  for (const word of words) {
    if (typeof word !== 'string' || !word.startsWith(TRANSPORT)) continue;
    const reference = parseReference(word.length > TRANSPORT.length ? word : `${TRANSPORT}x`);
    if (reference.transport !== 'containers-storage') continue;
    const { graphRoot: path } = await locateStore(reference);
    if (!isOwn(path)) continue;
    return {
      path,
      continueInNamespace(variables) {
        const helper = findNamespaceHelper();
        if (helper === undefined) throw noNamespace(path, error);
        continueInNamespace(helper, variables);
      },
    };
  }
  return undefined;
}

/** True if the kernel denied a file, below all wrappings. */
function isDenial(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && isOnecopyError(at); depth += 1) {
    if (DENIED.includes(at.details['errno'])) return true;
    at = at.cause;
  }
  return false;
}

/** True for a directory of this user: ids of other users are in no namespace of this one. */
function isOwn(path: string): boolean {
  return (
    quietly(() => {
      using root = Dir.open(path);
      return root.statSelf().uid === process.geteuid?.();
    }) === true
  );
}

function noNamespace(path: string, cause: unknown): UnsupportedError {
  return new UnsupportedError(
    'STORE_NEEDS_NAMESPACE',
    `Cannot use "${path}": its files belong to subordinate ids of this user, and no program of this host makes a user namespace with these ids`,
    { path },
    {
      cause,
      hint: 'Install newuidmap (Debian: uidmap) and give this user ranges in /etc/subuid and /etc/subgid',
    },
  );
}
