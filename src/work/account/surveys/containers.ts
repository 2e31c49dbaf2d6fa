import { isOnecopyError } from '#base/errors';
import type { StoragePlaces } from '#formats/containers-config';
import type { Dir } from '#host';
import { type ContainersStore, openContainersStore } from '#stores/containers';
import { ownSets, type Surveying, walkNamed } from './survey.ts';

/** Sets of the owners of layers and images, by id. */
interface StoreSets {
  readonly layers: Map<string, number>;
  readonly images: Map<string, number>;
  readonly unreferenced: number;
  readonly records: number;
}

/** Finds the owners of the layers of a containers-storage, and gathers its files. @throws as `openContainersStore` */
export async function surveyContainers(places: StoragePlaces, surveying: Surveying): Promise<void> {
  using store = await openContainersStore(places);
  const sets = ownersOf(store, surveying);
  for (const { path, problem } of store.snapshot.damaged) {
    surveying.warn(`"${path}" is damaged: ${problem}`);
  }
  for (const { dir, driver } of store.roots) walkRoot(dir, driver, sets, surveying);
}

function ownersOf(store: ContainersStore, surveying: Surveying): StoreSets {
  const { owners, sets } = surveying;
  const found: StoreSets = { layers: new Map(), images: new Map(), ...ownSets(surveying) };
  const addTo = (map: Map<string, number>, id: string, owner: number) => {
    map.set(id, sets.add(map.get(id) ?? 0, owner));
  };
  const own = { store: surveying.store };
  for (const row of store.snapshot.images) {
    const { id, names } = row.record;
    const owner = owners.add({ ...own, kind: 'image', names: names.length > 0 ? names : [id], id });
    addTo(found.images, id, owner);
    try {
      for (const layer of store.chainOf(row)) addTo(found.layers, layer.record.id, owner);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      surveying.warn(error.message);
    }
  }
  const { layers } = store.snapshot;
  const parents = new Set([...layers.values()].map(({ record }) => record.parent));
  for (const { record } of layers.values()) {
    // The layer on top of no image is that of a container.
    if (found.layers.has(record.id) || parents.has(record.id)) continue;
    const names = [`layer ${record.id.slice(0, 12)}`];
    const owner = owners.add({ ...own, kind: 'container', names, id: record.id });
    const seen = new Set<string>();
    for (let id: string | undefined = record.id; id !== undefined && !seen.has(id); ) {
      seen.add(id);
      addTo(found.layers, id, owner);
      id = layers.get(id)?.record.parent;
    }
  }
  return found;
}

/** Directories of a graph root: those of layers, those of images by id, and files named by the id of a layer. */
function walkRoot(root: Dir, driver: string, sets: StoreSets, surveying: Surveying): void {
  const { walker } = surveying;
  using fresh = root.openDir('.');
  walkNamed(
    fresh,
    walker,
    () => sets.records,
    (name, dir) => {
      if (name === driver && driver === 'overlay') walkLayers(dir, sets, surveying);
      else if (name === driver) {
        walkNamed(
          dir,
          surveying.walker,
          () => sets.records,
          (below, child) => {
            if (below === 'dir') walkLayers(child, sets, surveying);
            else walker.tree(child, sets.records);
          },
        );
      } else if (name === `${driver}-images`) {
        walkNamed(
          dir,
          surveying.walker,
          () => sets.records,
          (id, child) => {
            walker.tree(child, sets.images.get(id) ?? sets.records);
          },
        );
      } else if (name === `${driver}-layers`) {
        const setOf = (file: string) => sets.layers.get(file.slice(0, 64)) ?? sets.records;
        walkNamed(dir, surveying.walker, setOf, (id, child) => walker.tree(child, setOf(id)));
      } else walker.tree(dir, sets.records);
    },
  );
}

function walkLayers(dir: Dir, sets: StoreSets, surveying: Surveying): void {
  const isLayer = (name: string) => /^[0-9a-f]{64}$/.test(name);
  walkNamed(
    dir,
    surveying.walker,
    () => sets.records,
    (id, child) => {
      const set = sets.layers.get(id) ?? (isLayer(id) ? sets.unreferenced : sets.records);
      surveying.walker.tree(child, set);
    },
  );
}
