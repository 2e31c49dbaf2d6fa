/** Updates in parts whose sources are removed by another process at one step of the assembly. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import type { Repository } from '#stores/composefs';
import { openImageView } from '#work/browse';
import { ChunkedPlace } from './chunked-place.ts';

const [V1, V2] = ['oci/zc-v1', 'oci/zc-v2'] as const;

/** When an object goes: before it is opened, or when it was opened and not read yet. */
const MOMENTS = ['before', 'after'] as const;

/** What became of the updates. */
export interface Vanishings {
  /** Times that the assembly opens an object. */
  readonly steps: number;
  readonly tried: number;
  /** One line for each update that failed or gave another image. */
  readonly wrong: readonly string[];
}

/** Removes an object at every step, or at `most` steps that are spread over all; and at one step all that the assembly has used so far. */
export async function loseObjects(most = Number.POSITIVE_INFINITY): Promise<Vanishings> {
  await using place = await ChunkedPlace.start(V1, V2);
  const expected = await place.repository('expected', true);
  await place.pull(expected, V2, { strategy: 'whole' });
  const contents = await contentsOf(expected);
  const steps = await lose(place, 'none', { step: -1, moment: 'before', isAll: false });
  const stride = Math.max(1, Math.ceil(steps.opened / most));
  const wrong: string[] = [];
  let tried = 0;
  for (let step = 0; step < steps.opened; step += stride) {
    for (const moment of MOMENTS) {
      tried += 1;
      const isAll = step % 2 === 1;
      const what = `step ${step} of ${steps.opened}, ${moment} it is opened`;
      try {
        const { found } = await lose(place, `repo-${tried}`, { step, moment, isAll });
        if (found !== contents) wrong.push(`${what}: another image`);
      } catch (error) {
        wrong.push(`${what}: ${error}`);
      }
    }
  }
  return { steps: steps.opened, tried, wrong };
}

interface Loss {
  readonly step: number;
  readonly moment: (typeof MOMENTS)[number];
  /** Also what was opened before goes. */
  readonly isAll: boolean;
}

async function lose(place: ChunkedPlace, name: string, { step, moment, isAll }: Loss) {
  const repository = await place.repository(name, true);
  await place.pull(repository, V1, { strategy: 'whole' });
  const { objects } = repository;
  const open = objects.open.bind(objects);
  const used: ObjectId[] = [];
  const watched: typeof open = (id, options) => {
    const isHere = used.length === step;
    used.push(id);
    const lost = isAll ? new Set(used) : new Set([id]);
    if (isHere && moment === 'before') remove(place.path(name), lost);
    const opened = open(id, options);
    if (isHere && moment === 'after') remove(place.path(name), lost);
    return opened;
  };
  Object.assign(objects, { open: watched });
  try {
    await place.pull(repository, V2, { strategy: 'partial' });
  } finally {
    Object.assign(objects, { open });
  }
  return { opened: used.length, found: await contentsOf(repository) };
}

/** As another process would, `rm` removes objects; the first one of them is opened next. */
function remove(repository: string, ids: ReadonlySet<ObjectId>): void {
  execFileSync('rm', ['-f', ...[...ids].map((id) => join(repository, 'objects', objectPath(id)))]);
}

/** Every file of the second version and its content, as one text. */
async function contentsOf(repository: Repository): Promise<string> {
  using view = await openImageView(repository, V2);
  const lines: string[] = [];
  for (const { inode: _, ...entry } of view.walk('/' as ByteString)) {
    const content = entry.kind === 'file' ? view.read(entry.path) : [];
    const bytes = Buffer.concat([...content].map((piece) => Buffer.from(piece)));
    lines.push(
      JSON.stringify(entry, (_key, value) => `${value}`),
      bytes.toString('base64'),
    );
  }
  return lines.join('\n');
}
