import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GOLDEN = fileURLToPath(new URL('../golden/containers-storage/', import.meta.url));

/** What podman says of an image in a golden store. */
export interface GoldenImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly digest?: string;
  readonly manifest?: string;
  readonly config?: string;
  readonly platform?: string;
  readonly diffIds?: readonly string[];
  readonly layerChain: readonly string[];
}

/** A golden store: what podman says of it. */
export interface GoldenStore {
  readonly driver: string;
  readonly images: readonly GoldenImage[];
}

/** The golden stores by name. */
export const GOLDEN_STORES: Readonly<Record<string, GoldenStore>> = JSON.parse(
  readFileSync(join(GOLDEN, 'images.json'), 'utf8'),
);

/** Unpacks a golden store with owners, devices and xattrs (as root, with zstd); returns `[DRIVER@ROOT:OPTIONS]` for references. */
export function unpackStore(name: string, into: string): string {
  const { driver = 'overlay' } = GOLDEN_STORES[name] ?? {};
  unpackGolden(`stores/${name}.tar.zst`, into);
  const option =
    name === 'imagestore-split'
      ? `:overlay.imagestore=${into}/image`
      : name === 'additional-store'
        ? `:overlay.additionalimagestore=${into}/ro`
        : '';
  return `[${driver}@${into}/root${option}]`;
}

/** Unpacks an archive of the golden stores. */
export function unpackGolden(archive: string, into: string): void {
  mkdirSync(into, { recursive: true });
  const script = `zstd -dcq "$0" | tar --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp -xpf - -C "$1"`;
  const done = spawnSync('bash', ['-eo', 'pipefail', '-c', script, join(GOLDEN, archive), into], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`cannot unpack ${archive}: ${done.stderr}`);
}

/** A golden file. */
export function readGolden(name: string): Buffer {
  return readFileSync(join(GOLDEN, name));
}
