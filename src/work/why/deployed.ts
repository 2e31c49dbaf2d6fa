import { isOnecopyError } from '#base/errors';
import { listDeployments, openSysroot, readImageCommit, TAG_PREFIX } from '#work/unify';
import type { Step } from './graph.ts';
import type { DeployedCommit } from './ostree.ts';

/** What the deployments of a system need: commits, tags of the composefs repository, names in containers-storage. */
export interface Deployed {
  readonly commits: readonly DeployedCommit[];
  readonly byTag: (tag: string) => readonly Step[];
  readonly byName: (name: string) => readonly Step[];
}

const NOTHING: Deployed = { commits: [], byTag: () => [], byName: () => [] };

/**
 * Reads the deployments of a sysroot; none if there is no sysroot.
 * @param warn receives what could not be read
 */
export function readDeployed(path: string, warn: (problem: string) => void): Deployed {
  const commits: DeployedCommit[] = [];
  const tags = new Map<string, Step[]>();
  const names = new Map<string, Step[]>();
  const add = (map: Map<string, Step[]>, key: string, step: Step) => {
    map.set(key, [...(map.get(key) ?? []), step]);
  };
  try {
    using sysroot = openSysroot(path);
    using ostree = sysroot.openOstree();
    for (const deployment of listDeployments(sysroot)) {
      const { stateroot, commit, imageId = '', serial, role, boundImages } = deployment;
      const id = commit === undefined ? imageId.slice(0, 12) : `${commit.slice(0, 12)}.${serial}`;
      const step: Step = { kind: 'deployment', name: `${stateroot} ${id} (${role})` };
      if (commit !== undefined) commits.push({ commit, step });
      for (const image of boundImages) add(names, image, step);
      const known =
        commit === undefined || ostree === undefined ? undefined : readImageCommit(ostree, commit);
      const digest = deployment.manifestDigest ?? known?.manifestDigest;
      if (digest !== undefined) add(tags, TAG_PREFIX + digest, step);
    }
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    if (error.code === 'SYSROOT_NOT_FOUND') return NOTHING;
    warn(`Deployments of "${path}" cannot be read: ${error.message}`);
  }
  return {
    commits,
    byTag: (tag) => tags.get(tag) ?? [],
    byName: (name) => names.get(name) ?? [],
  };
}
