import { hasCode, isOnecopyError } from '#base/errors';
import type { Steps } from '#base/flow';
import type { ContainerRecord } from '#formats/containers-storage';
import { type ContainersStore, digestsOf, type ImageRow, type LayerRow } from '#stores/containers';
import type { KeepGraph, Step } from './graph.ts';
import { type Found, isLike, type Search } from './wanted.ts';

/** Records between two turns of the event loop. */
const RECORDS_PER_STEP = 256;

/** Finds what was asked about in a containers-storage, and everything that refers to it. */
export function* searchContainers(
  store: ContainersStore,
  containers: readonly ContainerRecord[],
  graph: KeepGraph,
  search: Search,
  deployedAs: (name: string) => readonly Step[],
): Steps<readonly Found[]> {
  const { images, layers, damaged } = store.snapshot;
  for (const { path, problem } of damaged) search.warn(`"${path}" is damaged: ${problem}`);
  const keys = new Set(findTargets(store, containers, graph, search));
  if (keys.size === 0) return [];
  let records = 0;
  const used = new Set<string>();
  for (const row of images) {
    addImage(store, row, graph, { ...search, deployedAs, used });
    records += 1;
    if (records % RECORDS_PER_STEP === 0) yield;
  }
  addContainers(store, containers, graph, used);
  const parents = new Set([...layers.values()].map(({ record }) => record.parent));
  for (const { record } of layers.values()) {
    // A layer on top of all others that belongs to no image and to no known container.
    if (used.has(record.id) || parents.has(record.id)) continue;
    for (const id of chainBelow(layers, record.id)) graph.link(layerKey(record.id), layerKey(id));
  }
  return [...keys].map((key) => ({ key, isStored: true }));
}

function imageKey(id: string): string {
  return `image ${id}`;
}

function layerKey(id: string): string {
  return `layer ${id}`;
}

function containerKey(id: string): string {
  return `container ${id}`;
}

function containerStep({ id, names }: ContainerRecord): Step {
  return { kind: 'container', name: names[0] ?? id };
}

/** Keys of what was asked about. */
function findTargets(
  store: ContainersStore,
  containers: readonly ContainerRecord[],
  graph: KeepGraph,
  { wanted }: Search,
): string[] {
  const { images, layers } = store.snapshot;
  if (wanted.kind === 'place') return [keyAt(store, containers, graph, wanted.path)];
  if (wanted.kind === 'name') {
    const image = imageNamed(store, wanted.name);
    const named = containers.filter(({ names }) => names.includes(wanted.name));
    return [
      ...(image === undefined ? [] : [describeImage(graph, image)]),
      ...named.map((one) => describeContainer(graph, one)),
    ];
  }
  if (wanted.kind !== 'digits') return [];
  const isWanted = (digest: string | undefined) => isLike(digest, wanted);
  return [
    ...images
      .filter(
        (row) =>
          isWanted(row.record.id) ||
          digestsOf(row).some(isWanted) ||
          isWanted(`sha256:${row.record.id}`),
      )
      .map((row) => describeImage(graph, row)),
    ...[...layers.values()]
      .filter(({ record: { id, diffId, tocDigest } }) => [id, diffId, tocDigest].some(isWanted))
      .map((row) => describeLayer(graph, row)),
    ...containers.filter(({ id }) => isWanted(id)).map((one) => describeContainer(graph, one)),
  ];
}

function imageNamed(store: ContainersStore, name: string): ImageRow | undefined {
  try {
    return store.findImage(name);
  } catch (error) {
    if (hasCode(error, 'TAG_NOT_FOUND')) return undefined;
    throw error;
  }
}

function describeImage(graph: KeepGraph, { record }: ImageRow): string {
  const key = imageKey(record.id);
  graph.describe(key, { kind: 'image', name: record.id });
  return key;
}

function describeLayer(graph: KeepGraph, { record }: LayerRow): string {
  const key = layerKey(record.id);
  graph.describe(key, { kind: 'layer', name: record.id });
  return key;
}

function describeContainer(graph: KeepGraph, container: ContainerRecord): string {
  const key = containerKey(container.id);
  graph.describe(key, containerStep(container));
  return key;
}

/** The key of a file below a graph root: a file of a layer, of an image or of a container, else a record of the store. */
function keyAt(
  store: ContainersStore,
  containers: readonly ContainerRecord[],
  graph: KeepGraph,
  path: string,
): string {
  const parts = path.split('/');
  const [folder = '', first = '', second = ''] = parts;
  const key = `file ${path}`;
  const layerId = /^(?:overlay|overlay-layers|vfs-layers)$/.test(folder)
    ? first.replace(/\.tar-split\.gz$/, '')
    : folder === 'vfs' && first === 'dir'
      ? second
      : '';
  const layer = store.snapshot.layers.get(layerId);
  const image = /^\w+-images$/.test(folder)
    ? store.snapshot.images.find(({ record }) => record.id === first)
    : undefined;
  const container = /^\w+-containers$/.test(folder)
    ? containers.find(({ id }) => id === first)
    : undefined;
  const holder =
    layer !== undefined
      ? describeLayer(graph, layer)
      : image !== undefined
        ? describeImage(graph, image)
        : container !== undefined
          ? describeContainer(graph, container)
          : undefined;
  const isHolder =
    parts.length === (folder === 'vfs' ? 3 : 2) && first === (layer ?? image)?.record.id;
  if (holder !== undefined && isHolder) return holder;
  if (holder !== undefined) {
    graph.describe(key, { kind: 'file', name: path });
    graph.link(holder, key);
    return key;
  }
  // Of a layer without a record nothing is known; podman removes it.
  if (/^[0-9a-f]{64}$/.test(layerId)) graph.describe(key, { kind: 'file', name: path });
  else graph.addRoot(key, { kind: 'record', name: path });
  return key;
}

function addImage(
  store: ContainersStore,
  row: ImageRow,
  graph: KeepGraph,
  {
    warn,
    deployedAs,
    used,
  }: Pick<Search, 'warn'> & { deployedAs: (name: string) => readonly Step[]; used: Set<string> },
): void {
  const { id, names } = row.record;
  const key = describeImage(graph, row);
  // podman keeps an image that has lost its names.
  if (names.length === 0) graph.addRoot(key, { kind: 'image', name: id });
  for (const name of names) {
    const nameKey = `name ${name}`;
    graph.addRoot(nameKey, { kind: 'name', name });
    graph.link(nameKey, key);
    for (const step of deployedAs(name)) {
      const deployment = `${step.kind} ${step.name}`;
      graph.addRoot(deployment, step);
      graph.link(deployment, nameKey);
    }
  }
  try {
    for (const layer of store.chainOf(row)) {
      used.add(layer.record.id);
      graph.link(key, describeLayer(graph, layer));
    }
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    warn(error.message);
  }
}

function addContainers(
  { snapshot }: ContainersStore,
  containers: readonly ContainerRecord[],
  graph: KeepGraph,
  used: Set<string>,
): void {
  for (const container of containers) {
    const key = containerKey(container.id);
    graph.addRoot(key, containerStep(container));
    if (container.image !== undefined) graph.link(key, imageKey(container.image));
    for (const id of chainBelow(snapshot.layers, container.layer)) {
      const layer = snapshot.layers.get(id);
      if (layer === undefined) continue;
      used.add(id);
      graph.link(key, describeLayer(graph, layer));
    }
  }
}

/** A layer and those below it. */
function chainBelow(
  layers: ReadonlyMap<string, LayerRow>,
  top: string | undefined,
): ReadonlySet<string> {
  const chain = new Set<string>();
  for (let id = top; id !== undefined && !chain.has(id); id = layers.get(id)?.record.parent)
    chain.add(id);
  return chain;
}
