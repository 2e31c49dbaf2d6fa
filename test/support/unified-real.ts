import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dir, syncfsAsync } from '#host';
import { initRepository } from '#stores/composefs';
import { exportToContainers } from '#work/export-containers';
import { pullImage } from '#work/pull-image';
import { checkUnified, openSysroot, type UnifiedPullReport, unifiedPull } from '#work/unify';
import { membersOfFolder, writeSampleImage } from '../../tools/sample-image.ts';
import type { FilesystemType } from './capability.ts';
import { mountLoopFilesystem } from './loop-fs.ts';

/** Disk use of an image in containers-storage alone, and after it came into the other stores. */
export interface RealImageFigures {
  readonly files: number;
  readonly aloneBytes: number;
  readonly grownBytes: number;
  readonly first: UnifiedPullReport;
  readonly second: UnifiedPullReport;
  /** Bytes that the second pull added. */
  readonly againBytes: number;
  readonly sharing: Awaited<ReturnType<typeof checkUnified>>['images'][number]['sharing'];
  readonly ok: boolean;
}

const NAME = 'localhost/real:1';
const DISK_BYTES = 6 * 2 ** 30;

/**
 * Fills the containers-storage of a sysroot with an image of local files, brings it into all stores, twice, and measures the disk. Needs root.
 * @param filesMax most files to take from `/usr`
 */
export async function measureRealImage(
  type: FilesystemType,
  filesMax: number,
): Promise<RealImageFigures> {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-real-'));
  await using filesystem = await mountLoopFilesystem(type, { sizeBytes: DISK_BYTES });
  try {
    const { path } = filesystem;
    const usedBytes = () => {
      const { blocks, bfree, bsize } = statfsSync(path);
      return (blocks - bfree) * bsize;
    };
    const layout = join(scratch, 'layout');
    await writeSampleImage(layout, 'v1', [
      { members: membersOfFolder('/usr', { at: '/usr', filesMax }), compression: 'none' },
    ]);
    const sysrootPath = join(path, 'sysroot');
    mkdirSync(sysrootPath);
    using sysroot = openSysroot(sysrootPath);
    const emptyBytes = await settled(filesystem.dir, usedBytes);
    {
      const { repository } = await initRepository(join(scratch, 'repository'), {
        algorithm: 'sha512',
        insecure: true,
      });
      using stored = repository;
      await pullImage(stored, `oci:${layout}:v1`, { name: 'real' });
      sysroot.ensureStorage();
      await exportToContainers(stored, 'real', sysroot.storageReference(NAME));
    }
    const aloneBytes = (await settled(filesystem.dir, usedBytes)) - emptyBytes;
    const mode = type === 'ext4' ? 'enabled-with-copy' : 'enabled';
    const first = await unifiedPull(sysroot, `containers-storage:${NAME}`, { mode });
    const afterBytes = (await settled(filesystem.dir, usedBytes)) - emptyBytes;
    const second = await unifiedPull(sysroot, `containers-storage:${NAME}`);
    const againBytes = (await settled(filesystem.dir, usedBytes)) - emptyBytes - afterBytes;
    const { images, ok } = await checkUnified(sysroot, { extents: true });
    const files = first.composefs.objects.stored + first.composefs.objects.reused;
    return {
      files,
      aloneBytes,
      grownBytes: afterBytes - aloneBytes,
      first,
      second,
      againBytes,
      sharing: images[0]?.sharing,
      ok,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A figure after everything is on the disk. */
async function settled(dir: Dir, read: () => number): Promise<number> {
  await syncfsAsync(dir);
  return read();
}
