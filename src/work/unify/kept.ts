import { basename, dirname } from 'node:path';
import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Deployment } from './deployments.ts';
import { readState } from './state.ts';
import { openStores, type Stores } from './stores.ts';
import { type SystemImage, surveyImages, tagOf } from './survey.ts';
import { COMPOSEFS, openSysroot } from './sysroot.ts';

/** An item that a store keeps, with the reason. */
export interface KeptItem {
  readonly store: 'composefs' | 'containers-storage' | 'ostree';
  readonly name: string;
  readonly reasons: readonly string[];
}

/** Lists everything that the stores keep, with the reason. */
export function listKept(
  stores: Stores,
  live: readonly SystemImage[],
  deployments: readonly Deployment[],
): KeptItem[] {
  const items: KeptItem[] = [];
  for (const { name, manifestDigest } of stores.composefs?.tags.list() ?? []) {
    const image = live.find(({ tag }) => tag === name);
    if (image !== undefined) {
      items.push({ store: 'composefs', name, reasons: deploymentsOf(image) });
    } else if (name !== tagOf(manifestDigest)) {
      items.push({ store: 'composefs', name, reasons: ['a tag of others'] });
    }
  }
  const byConfig = new Map(live.map((image) => [image.configDigest, image]));
  const bound = deployments.flatMap(({ boundImages }) => boundImages);
  for (const { record } of stores.storage?.snapshot.images ?? []) {
    const image = byConfig.get(`sha256:${record.id}` as ContentDigest);
    const needs = record.names.filter((name) => bound.includes(name));
    const reasons = [
      ...(image === undefined ? [] : [`composefs tag ${image.tag}`, ...deploymentsOf(image)]),
      ...needs.map((name) => `bound image ${name}`),
    ];
    if (reasons.length === 0) continue;
    const [name = record.names[0] ?? record.id] = needs;
    items.push({ store: 'containers-storage', name, reasons });
  }
  for (const image of live) {
    for (const { refs } of image.commits) {
      for (const name of refs) {
        items.push({ store: 'ostree', name, reasons: deploymentsOf(image) });
      }
    }
  }
  return items;
}

/**
 * What a garbage collection of the composefs repository at this path keeps for the other stores of its system: the tagged images, with
 * everything that relies on them. Empty for a repository that is not part of a system.
 * @throws as opening the stores
 */
export async function listKeptFor(
  composefsPath: string,
  options: OperationOptions = {},
): Promise<readonly Omit<KeptItem, 'store'>[]> {
  if (basename(composefsPath) !== COMPOSEFS) return [];
  using sysroot = openSysroot(dirname(composefsPath));
  if (readState(sysroot).binding === 'disabled') return [];
  using stores = await openStores(sysroot, options);
  return surveyImages(sysroot, stores)
    .filter(({ isTagged }) => isTagged)
    .map((image) => ({ name: image.tag, reasons: usersOf(image) }));
}

function usersOf({ deployments, commits, storage, names }: SystemImage): readonly string[] {
  const refs = commits.flatMap((commit) => commit.refs);
  const users = [
    ...deployments.map(nameOfDeployment),
    ...refs.map((ref) => `ostree ref ${ref}`),
    ...(storage === 'missing' ? [] : names).map((name) => `containers-storage ${name}`),
  ];
  return users.length === 0 ? ['no other store'] : users;
}

function deploymentsOf({ deployments }: SystemImage): readonly string[] {
  return deployments.length === 0 ? ['asked for'] : deployments.map(nameOfDeployment);
}

function nameOfDeployment(deployment: Deployment): string {
  const { role, stateroot, commit, imageId = '', serial } = deployment;
  const id = commit === undefined ? imageId.slice(0, 12) : `${commit.slice(0, 12)}.${serial}`;
  return `${role} deployment ${stateroot} ${id}`;
}
